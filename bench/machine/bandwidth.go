package machine

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// A Place is where a working set lies.
type Place struct {
	Name  string
	Bytes int // of a working set that fits
}

// Places are half of each cache, so that the rest of the program finds room
// too, and memory: four times the last cache.
func Places() []Place {
	cpu := kernels.CPU()
	return []Place{{"L1", cpu.L1D / 2}, {"L2", cpu.L2 / 2}, {"L3", cpu.L3 / 2}, {"memory", Beyond()}}
}

// Beyond is the bytes of a working set that no cache holds.
func Beyond() int { return max(4*kernels.CPU().L3, 64<<20) }

// A Curve is bandwidth against the size of the working set, sizes ascending.
type Curve struct {
	Sizes, Rates []float64
}

// At interpolates between the two nearest sizes, on a logarithmic scale; beyond
// the ends it is the end.
func (c Curve) At(set float64) float64 {
	last := len(c.Sizes) - 1
	if last < 0 {
		return math.NaN()
	}
	if set <= c.Sizes[0] {
		return c.Rates[0]
	}
	for i := 1; i <= last; i++ {
		if set <= c.Sizes[i] {
			t := math.Log(set/c.Sizes[i-1]) / math.Log(c.Sizes[i]/c.Sizes[i-1])
			return c.Rates[i-1] * math.Pow(c.Rates[i]/c.Rates[i-1], t)
		}
	}
	return c.Rates[last]
}

// Roof is the rate in FLOP/s that work of so many operations and bytes, on a
// working set of set bytes, cannot exceed (Williams, Waterman and Patterson,
// 2009).
func Roof(peak float64, c Curve, flops, bytes, set float64) float64 {
	return min(peak, flops/bytes*c.At(set))
}
