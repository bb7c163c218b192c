package report

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
)

// baseline is the method that others are compared with.
const baseline = "lora"

// method is all runs of one method (at one rank and scaling).
type method struct {
	label string // the name, with rank and scaling where the study has several
	style int    // of its curves on the whole page
	record.Method
	runs  []*record.Run // by learning rate, then seed
	rates []rate        // by learning rate
	best  *rate         // nil if no learning rate has a finite median
}

// rate is the outcome of a method at one learning rate.
type rate struct {
	lr                float64
	finished          []*record.Run // with a finite held-out loss, by seed
	losses            []float64     // theirs
	diverged          []*record.Run
	median, low, high float64 // median: a diverged run counts as +Inf; low and high: of losses
}

// summarise groups the runs by method: the baseline first, then by axis and name.
func summarise(runs []*record.Run) []*method {
	type key struct {
		name  string
		rank  int
		alpha float64
	}
	groups := map[key]*method{}
	ranks, alphas := map[string]map[int]bool{}, map[string]map[float64]bool{}
	var keys []key
	for _, r := range runs {
		if r == nil {
			continue
		}
		k := key{r.Method.Name, r.Rank, r.Alpha}
		if groups[k] == nil {
			groups[k] = &method{Method: r.Method}
			keys = append(keys, k)
			if ranks[k.name] == nil {
				ranks[k.name], alphas[k.name] = map[int]bool{}, map[float64]bool{}
			}
			ranks[k.name][k.rank], alphas[k.name][k.alpha] = true, true
		}
		groups[k].runs = append(groups[k].runs, r)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(
			-cmp.Compare(boolInt(a.name == baseline), boolInt(b.name == baseline)),
			strings.Compare(groups[a].Axis, groups[b].Axis),
			strings.Compare(a.name, b.name),
			cmp.Compare(a.rank, b.rank), cmp.Compare(a.alpha, b.alpha))
	})
	methods := make([]*method, len(keys))
	for i, k := range keys {
		m := groups[k]
		m.label = k.name
		if m.label == "" {
			m.label = "(no name)"
		}
		if len(ranks[k.name]) > 1 {
			m.label += " r=" + number(float64(k.rank))
		}
		if len(alphas[k.name]) > 1 {
			m.label += " α=" + number(k.alpha)
		}
		m.weigh()
		methods[i] = m
	}
	setStyles(methods)
	return methods
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// setStyles gives the first baseline the colour of ink and the others the
// remaining seven colours in turn.
func setStyles(methods []*method) {
	colours := []int{0, 1, 2, 3, 4, 5, 7}
	next := 0
	for i, m := range methods {
		if i == 0 && m.Name == baseline {
			m.style = 6
			continue
		}
		m.style = next/len(colours)*8 + colours[next%len(colours)]
		next++
	}
}

// weigh fills rates and best from runs.
func (m *method) weigh() {
	slices.SortStableFunc(m.runs, func(a, b *record.Run) int {
		return cmp.Or(cmp.Compare(a.LR, b.LR), cmp.Compare(a.Seed, b.Seed), strings.Compare(a.ID, b.ID))
	})
	for _, r := range m.runs {
		loss, known := r.Eval["adapt_after"]
		diverged := r.Status == record.Diverged || r.Status == record.Done && known && !finite(loss)
		if !diverged && (r.Status != record.Done || !known) || !finite(r.LR) || r.LR <= 0 {
			continue
		}
		if n := len(m.rates); n == 0 || m.rates[n-1].lr != r.LR {
			m.rates = append(m.rates, rate{lr: r.LR})
		}
		at := &m.rates[len(m.rates)-1]
		if diverged {
			at.diverged = append(at.diverged, r)
			continue
		}
		at.finished, at.losses = append(at.finished, r), append(at.losses, loss)
	}
	for i := range m.rates {
		at := &m.rates[i]
		all := slices.Clone(at.losses)
		for range at.diverged {
			all = append(all, math.Inf(1))
		}
		at.median = median(all)
		at.low, at.high = math.NaN(), math.NaN()
		if len(at.losses) > 0 {
			at.low, at.high = slices.Min(at.losses), slices.Max(at.losses)
		}
		if finite(at.median) && (m.best == nil || at.median < m.best.median) {
			m.best = at
		}
	}
}

// edge says that the best learning rate is an end of the grid, and which:
// "lowest", "highest", "only", or "" if it lies between two others. A rate at
// which every seed diverged is part of the grid.
func (m *method) edge() string {
	switch {
	case m.best == nil:
		return ""
	case len(m.rates) == 1:
		return "only"
	case m.best.lr == m.rates[0].lr:
		return "lowest"
	case m.best.lr == m.rates[len(m.rates)-1].lr:
		return "highest"
	}
	return ""
}

// typical is the run at the best learning rate whose loss is nearest to the
// median, the one with the lower seed of two.
func (m *method) typical() *record.Run {
	if m.best == nil {
		return nil
	}
	pick := 0
	for i, v := range m.best.losses {
		if math.Abs(v-m.best.median) < math.Abs(m.best.losses[pick]-m.best.median) {
			pick = i
		}
	}
	return m.best.finished[pick]
}

// count is the number of runs with a status.
func (m *method) count(status record.Status) int {
	n := 0
	for _, r := range m.runs {
		if r.Status == status {
			n++
		}
	}
	return n
}

// ranked returns the methods that have a best learning rate, best first.
func ranked(methods []*method) []*method {
	var out []*method
	for _, m := range methods {
		if m.best != nil {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b *method) int { return cmp.Compare(a.best.median, b.best.median) })
	return out
}

// before is the median held-out loss of the unadapted base model, NaN if no
// run tells it.
func before(methods []*method) float64 {
	var all []float64
	for _, m := range methods {
		all = append(all, evals(m.runs, "adapt_before")...)
	}
	return median(all)
}

// evals returns the finite values of one held-out loss among runs.
func evals(runs []*record.Run, name string) []float64 {
	var out []float64
	for _, r := range runs {
		if v, ok := r.Eval[name]; ok && finite(v) {
			out = append(out, v)
		}
	}
	return out
}

// difference returns Eval[a] − Eval[b], NaN where one of them is missing.
func difference(r *record.Run, a, b string) float64 {
	return evaluated(r, a) - evaluated(r, b)
}

// evaluated is a loss of a run, or NaN where it was not measured.
func evaluated(r *record.Run, name string) float64 {
	if x, ok := r.Eval[name]; ok && finite(x) {
		return x
	}
	return math.NaN()
}

// median is the middle of values, or the mean of the two middle ones; NaN for
// none. Infinities are values, NaNs are not.
func median(values []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(sorted) == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	n := len(sorted)
	if n%2 == 1 || sorted[n/2-1] == sorted[n/2] {
		return sorted[n/2]
	}
	return sorted[n/2-1]/2 + sorted[n/2]/2
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
