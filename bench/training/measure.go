package training

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/step"
)

// quiet is the part of their peak that the cores must reach while a row is
// measured, or its times are not to be believed.
const quiet = 0.9

// turn is how long a side's turn is to be, for steps that are short.
const turn = 0.5 // seconds

// measure times all sides in turn, in an order that rotates, and asks for the
// rest.
func (t *training) measure(threads int) (*compare.Row, error) {
	steps := make([]int, len(t.sides))
	for i, s := range t.sides {
		took, err := s.time(threads, 2, step.Pruning)
		if err != nil {
			return nil, err
		}
		_, middle, _ := quarters(took)
		steps[i] = min(max(int(turn/middle), t.Steps), 5*t.Steps)
		s.seconds = nil
	}
	t.meanwhile = nil
	for n := range t.Rounds {
		for k := range t.sides {
			i := (k + n) % len(t.sides)
			if _, err := t.sides[i].time(threads, steps[i], step.Pruning); err != nil {
				return nil, err
			}
		}
		rates, err := t.samplePeak(t.sides[0].server, threads, 5)
		if err != nil {
			return nil, err
		}
		t.meanwhile = append(t.meanwhile, rates...)
	}
	var a allocations
	if err := t.sides[0].server.Ask("allocations", map[string]any{"threads": threads, "steps": t.Steps}, &a); err != nil {
		return nil, err
	}
	var formula step.Memory
	var pause float64
	for _, s := range t.sides {
		var m memory
		if err := s.server.Ask("memory", nil, &m); err != nil {
			return nil, err
		}
		s.peak = m.Peak
		if s.name == oursName {
			formula, pause = m.Formula, m.Pause
		}
	}
	return t.row(threads, a, formula, pause), nil
}

// row is what was measured on so many threads.
func (t *training) row(threads int, a allocations, formula step.Memory, pause float64) *compare.Row {
	ours := t.sides[0]
	row := &compare.Row{Name: t.method, Threads: threads, Unit: "ms/step", Figures: map[string]float64{"flops": t.flops, "free": t.free(threads)}}
	for _, s := range t.sides {
		row.Rates = append(row.Rates, s.rate())
		row.Figures["resident "+s.name] = float64(s.peak)
		row.Figures["of the peak "+s.name] = t.share(s, threads)
	}
	time := func(what, of string, want float64) {
		if want > 0 {
			row.Checks = append(row.Checks, atMost("× "+what, ours.rate().Seconds, t.seconds(of), want))
		}
	}
	time("PyTorch", eagerName, eagerTime(t.shape, t.method))
	if t.Compile && t.shape.Name != step.Study.Name {
		time(compiledName, compiledName, compiledTime)
	}
	row.Checks = append(row.Checks,
		compare.Check{What: "of peak", Got: t.share(ours, threads), Want: peakShare(threads)},
		atMost("× PyTorch's memory", float64(ours.peak), t.resident(eagerName), memoryOfTorch),
		atMost("× formula", float64(ours.peak), float64(formula.Total()), memoryOfSum),
		compare.Check{What: "allocations in every step", Got: float64(a.Least), AtMost: true},
		compare.Check{What: "allocations a step", Got: a.Mean, Want: allAllocated, AtMost: true},
		compare.Check{What: "ms longest pause", Got: 1e3 * pause, Want: longestPause, AtMost: true},
	)
	row.Judge()
	if t.free(threads) < quiet {
		row.Verdict = compare.NotKnown
	}
	row.Note = t.note(threads, formula)
	return row
}

// share is the part of the peak that the matrix products are of a side's step.
func (t *training) share(s *side, threads int) float64 {
	return t.flops / s.rate().Seconds / (1e9 * t.peak(threads).GFLOPS)
}

// free is the part of the peak that the cores reached while the row was
// measured: the rest went to other work.
func (t *training) free(threads int) float64 {
	_, middle, _ := quarters(t.meanwhile)
	return middle / (1e9 * t.peak(threads).GFLOPS)
}

func (t *training) find(name string) *side {
	for _, s := range t.sides {
		if s.name == name {
			return s
		}
	}
	return nil
}

// seconds is the median of a side, 0 where it is missing.
func (t *training) seconds(name string) float64 {
	if s := t.find(name); s != nil {
		return s.rate().Seconds
	}
	return 0
}

func (t *training) resident(name string) float64 {
	if s := t.find(name); s != nil {
		return float64(s.peak)
	}
	return 0
}

// atMost is the check that got/of is at most want; where one of them was not
// measured, it is unknown.
func atMost(what string, got, of, want float64) compare.Check {
	if !(got > 0 && of > 0) {
		return compare.Check{What: what, Want: want, AtMost: true, Unknown: true}
	}
	return compare.Check{What: what, Got: got / of, Want: want, AtMost: true}
}

// note tells what the checks do not.
func (t *training) note(threads int, m step.Memory) string {
	var parts []string
	if free := t.free(threads); free < quiet {
		parts = append(parts, fmt.Sprintf("busy: the cores were at %.2f of their peak", free))
	}
	for _, s := range t.sides[1:] {
		parts = append(parts, fmt.Sprintf("fastest steps %.2f× %s, which had %.3f of peak, %s MB",
			slices.Min(t.sides[0].seconds)/slices.Min(s.seconds), s.name, t.share(s, threads), megabytes(s.peak)))
	}
	memory := fmt.Sprintf("ours %s MB, formula %s: base %s + packed %s + activations %s + adapters %s + optimizer %s", megabytes(t.sides[0].peak), megabytes(m.Total()),
		megabytes(m.Base), megabytes(m.Packed), megabytes(m.Activations), megabytes(m.Adapters), megabytes(m.Optimizer))
	if m.Rest > 0 {
		memory += " + base less the start " + megabytes(m.Rest)
	}
	parts = append(parts, memory)
	if what := equal[t.method]; what != "" {
		parts = append(parts, what)
	}
	return strings.Join(parts, "; ")
}

func megabytes(n int) string {
	x := float64(n) / 1e6
	if x < 10 {
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}
