package compare

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// A pace is how much time measuring one row may take.
type pace struct {
	row    time.Duration // all sides together
	block  time.Duration // of one side before the next has its turn
	sample time.Duration // shortest that the clock is trusted with
}

var (
	full  = pace{row: 600 * time.Millisecond, block: 20 * time.Millisecond, sample: 20 * time.Microsecond}
	quick = pace{row: 150 * time.Millisecond, block: 12 * time.Millisecond, sample: 20 * time.Microsecond}
)

// fewest and most rounds in which every side has a block.
const fewest, most = 3, 15

// alternate times the sides in turn, in short blocks whose order rotates, and
// returns the median seconds of a run of each. The garbage collector rests
// meanwhile.
func alternate(p pace, sides []side) (map[string]float64, error) {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	calls, repeats := make([]int, len(sides)), make([]int, len(sides))
	round := 0.0
	for i, s := range sides {
		took, err := s.time(1, 1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		run := max(took[0], 1e-9)
		if n := p.sample.Seconds() / run; n > 1 { // one run says little
			if took, err = s.time(int(n)+1, 1); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			run = max(took[0], 1e-9)
		}
		calls[i] = max(1, int(p.sample.Seconds()/run))
		repeats[i] = min(max(1, int(p.block.Seconds()/(run*float64(calls[i])))), 100)
		round += run * float64(calls[i]*repeats[i]+1)
	}
	rounds := min(max(int(p.row.Seconds()/round), fewest), most)
	samples := make([][]float64, len(sides))
	for n := range rounds {
		for k := range sides {
			i := (k + n) % len(sides)
			took, err := sides[i].time(calls[i], repeats[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[i].name, err)
			}
			samples[i] = append(samples[i], took...)
		}
	}
	medians := map[string]float64{}
	for i, s := range sides {
		medians[s.name] = median(samples[i])
	}
	return medians, nil
}

func median(x []float64) float64 {
	slices.Sort(x)
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}
