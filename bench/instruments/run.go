package instruments

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/probe"
)

// Options choose what is measured.
type Options struct {
	Shapes  []step.Shape
	Methods []string
	Threads int
	Rounds  int // in which every side takes a turn; 0: as many as take half a minute, 7 to 60
	Side    int // of the square change that is decomposed; 0: 2048
}

// What the instruments are to cost at most, and the factored spectrum to gain.
const (
	cheap     = 1.03
	withBatch = 1.05
	faster    = 50
)

// The intervals that a configuration has unless it says otherwise.
const (
	tier1Every = 10
	tier2Every = 100
)

// enough is how long the rounds of a row may take, if they are no fewer than 7: short
// steps need many, for the rest of the machine moves each.
const enough = 30 * time.Second

// Run measures and returns everything; show, if not nil, is given every row as it
// is ready, its group's first row after a call of begin.
func Run(o Options, begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
	if o.Side == 0 {
		o.Side = 2048
	}
	kernels.SetThreads(o.Threads)
	r := &run{Options: o, report: &compare.Report{CPU: kernels.CPU(), Go: runtime.Version()}, began: begin, show: show}
	r.begin(compare.Group{
		Name: "steps", Title: "Training steps with instruments against steps without, as a configuration has them unless it says otherwise: tier 0 at every step, tier 1 every 10, tier 2 every 100",
		Target: fmt.Sprintf("tiers 0 and 1 ≤ %g× a step without, with tier 2 ≤ %g×; what they hold ≤ the adapted weights", cheap, withBatch),
	})
	for _, s := range o.Shapes {
		for _, method := range o.Methods {
			if err := r.steps(s, method); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.Name, method, err)
			}
		}
	}
	r.begin(compare.Group{
		Name: "spectrum", Title: "The singular values of a change of rank 16 from its factors, against gonum's decomposition of the change as a whole",
		Target: fmt.Sprintf("≥ %d× as fast", faster),
	})
	if err := r.spectrum(); err != nil {
		return nil, err
	}
	return r.report, nil
}

// A run is a comparison under way.
type run struct {
	Options
	report *compare.Report
	group  string
	began  func(*compare.Report, compare.Group)
	show   func(*compare.Row)
}

func (r *run) begin(g compare.Group) {
	r.group = g.Name
	if r.began != nil {
		r.began(r.report, g)
	}
}

func (r *run) add(row *compare.Row) {
	row.Group, row.Level, row.Threads = r.group, kernels.Active().String(), r.Threads
	row.Judge()
	r.report.Rows = append(r.report.Rows, row)
	if r.show != nil {
		r.show(row)
	}
}

// steps measures a method at a shape. Ten steps without instruments, ten with
// tiers 0 and 1, one of which tier 1 falls on, and the visit that tier 2 makes,
// which is counted at the hundredth part, take turns.
func (r *run) steps(s step.Shape, method string) error {
	before := heap()
	t, err := step.New(s, method, 1)
	if err != nil {
		return err
	}
	held := heap() // of the training
	if _, err := t.Step(); err != nil {
		return err
	}
	held = max(held, heap())
	var tiers01 = func(n int) probe.Tiers {
		if n%tier1Every == 0 {
			return probe.Tier0 | probe.Tier1
		}
		return probe.Tier0
	}
	var plain, cheapSteps, visits, plainCPU, cheapCPU, visitsCPU []float64
	var instruments int
	rounds, began := r.Rounds, time.Now()
	for round := 0; round <= rounds || round == 0; round++ {
		took, used := map[string]float64{}, map[string]float64{}
		for k := range 3 {
			switch (k + round) % 3 {
			case 0:
				t.Watch(nil)
				took["without"], used["without"], err = r.time(t, tier1Every)
			case 1:
				t.Watch(tiers01)
				t.SkipTo(t.Next() + (tier1Every+1-t.Next()%tier1Every)%tier1Every) // ten steps have one of tier 1
				took["with"], used["with"], err = r.time(t, tier1Every)
			default:
				t.Watch(func(int) probe.Tiers { return probe.Tier2 })
				took["visit"], used["visit"], err = r.time(t, 1)
				if instruments == 0 {
					instruments = heap() - held
				}
			}
			if err != nil {
				return err
			}
		}
		if round == 0 { // which warms up
			if rounds == 0 {
				rounds = min(max(int(enough/time.Since(began)), 7), 60)
			}
			continue
		}
		plain, cheapSteps = append(plain, took["without"]/tier1Every), append(cheapSteps, took["with"]/tier1Every)
		visits = append(visits, took["visit"])
		plainCPU, cheapCPU = append(plainCPU, used["without"]/tier1Every), append(cheapCPU, used["with"]/tier1Every)
		visitsCPU = append(visitsCPU, used["visit"])
	}
	// The processor's time is told apart: a machine that has other work to do
	// spreads the clock's.
	cpu := ratio(cheapCPU, plainCPU)
	cpu2 := cpu + (median(visitsCPU)-median(plainCPU))/tier2Every/median(plainCPU)
	without, with, visit := median(plain), median(cheapSteps), median(visits)-median(plain)
	var weights int
	for _, m := range t.Set.Maps {
		weights += 4 * m.In * m.Out
	}
	row := &compare.Row{Name: s.Name + ", " + method, Unit: "ms/step"}
	for _, side := range []struct {
		name    string
		seconds float64
	}{{"without", without}, {"tiers 0, 1", with}, {"a visit of tier 2", visit}} {
		row.Rates = append(row.Rates, compare.Rate{Side: side.name, Seconds: side.seconds, Rate: 1000 * side.seconds})
	}
	row.Checks = []compare.Check{
		{What: "× without", Got: ratio(cheapSteps, plain), Want: cheap, AtMost: true},
		{What: "× without, with tier 2", Got: ratio(cheapSteps, plain) + visit/tier2Every/without, Want: withBatch, AtMost: true},
		{What: "× the adapted weights held", Got: float64(instruments) / float64(weights), Want: 1, AtMost: true},
	}
	row.Note = fmt.Sprintf("of the processor's time %.3f× and %.3f×; the probe holds %.1f MB, the training %.1f MB, the adapted weights are %.1f MB", cpu, cpu2, float64(instruments)/1e6, float64(held-before)/1e6, float64(weights)/1e6)
	row.Figures = map[string]float64{"processor time": cpu, "processor time with tier 2": cpu2, "probe bytes": float64(instruments), "training bytes": float64(held - before), "weight bytes": float64(weights)}
	r.add(row)
	return nil
}

// time returns the seconds of so many steps, by the clock and of the processor.
func (r *run) time(t *step.Training, steps int) (clock, cpu float64, err error) {
	runtime.GC()
	began, used := time.Now(), compare.CPUTime()
	for range steps {
		if _, err := t.Step(); err != nil {
			return 0, 0, err
		}
	}
	return time.Since(began).Seconds(), (compare.CPUTime() - used).Seconds(), nil
}

// ratio is the median of the ratios of turns that were near each other in time.
func ratio(x, y []float64) float64 {
	r := make([]float64, len(x))
	for i := range x {
		r[i] = x[i] / y[i]
	}
	return median(r)
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// heap returns the bytes that are alive.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
