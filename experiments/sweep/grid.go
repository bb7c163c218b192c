// Package sweep trains a grid of methods, learning rates and seeds: every
// method with the same budget, and none judged at the edge of its grid.
package sweep

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
)

// A Grid is the runs of a comparison: every method at every learning rate
// with every seed, all else as in the template.
type Grid struct {
	Template *experiments.Config
	Methods  []string // rows of the table of methods
	LRs      []float64
	Seeds    []uint64
	// Extend is how many learning rates a method may have beyond either end,
	// in the ratio of the grid, when its best one lies at that end: an optimum
	// at an edge is no optimum.
	Extend int
}

// Decades returns learning rates from 10^low to 10^high in steps of 10^0.5,
// rounded to three digits as papers print them.
func Decades(low, high float64) []float64 {
	var lrs []float64
	for e := low; e <= high+1e-9; e += 0.5 {
		lrs = append(lrs, threeDigits(math.Pow(10, e)))
	}
	return lrs
}

func threeDigits(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 2, 64), 64)
	return y
}

// ID names the run of a method, learning rate and seed, and its folder.
func ID(method string, lr float64, seed uint64) string {
	e := strconv.FormatFloat(lr, 'e', -1, 64)
	e = strings.Replace(strings.Replace(e, "e-0", "e-", 1), "e+0", "e", 1)
	return method + "_lr" + e + "_seed" + strconv.FormatUint(seed, 10)
}

// config returns the run of a method at a learning rate with a seed.
func (g *Grid) config(method string, lr float64, seed uint64) *experiments.Config {
	c := *g.Template
	c.Name = ID(method, lr, seed)
	c.Method = experiments.Method{Name: method}
	c.Train.LR, c.Train.Seed = lr, seed
	return &c
}

// Next returns the runs that are not in done, by name, in an order that gives
// a whole picture early: a seed after the other. When the grid is complete it
// returns the runs that bracket the optima which lie at its edges, as far as
// Extend allows; none are left when it returns nothing.
func (g *Grid) Next(done map[string]*record.Run) []*experiments.Config {
	var next []*experiments.Config
	add := func(method string, lr float64, seed uint64) {
		if c := g.config(method, lr, seed); done[c.Name] == nil {
			next = append(next, c)
		}
	}
	for _, seed := range g.Seeds {
		for _, lr := range g.LRs {
			for _, method := range g.Methods {
				add(method, lr, seed)
			}
		}
	}
	if len(next) > 0 || len(g.LRs) < 2 {
		return next
	}
	for _, method := range g.Methods {
		lr, ok := g.beyond(method, done)
		for _, seed := range g.Seeds {
			if ok {
				add(method, lr, seed)
			}
		}
	}
	return next
}

// beyond returns the learning rate to try next for a method whose best one
// lies at an end of those tried.
func (g *Grid) beyond(method string, done map[string]*record.Run) (float64, bool) {
	high := continued(g.LRs, g.Extend)
	backwards := slices.Clone(g.LRs)
	slices.Reverse(backwards)
	low := continued(backwards, g.Extend)
	tried := func(lr float64) bool { return done[ID(method, lr, g.Seeds[0])] != nil }
	nextOf := func(side []float64) (float64, bool) {
		for _, lr := range side {
			if !tried(lr) {
				return lr, true
			}
		}
		return 0, false
	}
	best, bestLoss := 0.0, math.Inf(1)
	all := slices.Concat(low, g.LRs, high)
	all = slices.DeleteFunc(all, func(lr float64) bool { return !tried(lr) })
	slices.Sort(all)
	for _, lr := range all {
		if l := g.median(method, lr, done); l < bestLoss {
			best, bestLoss = lr, l
		}
	}
	switch {
	case math.IsInf(bestLoss, 1): // nothing but divergence: try lower
		return nextOf(low)
	case best == all[0]:
		return nextOf(low)
	case best == all[len(all)-1]:
		return nextOf(high)
	}
	return 0, false
}

// continued returns the n values that carry on a geometric series. It goes by
// the ratio of two steps, which is exactly 10 in 1, 3.16, 10 as rounded.
func continued(series []float64, n int) []float64 {
	s := slices.Clone(series)
	for range n {
		last := len(s) - 1
		next := s[last] * (s[last] / s[last-1])
		if last > 1 {
			next = s[last-1] * (s[last] / s[last-2])
		}
		s = append(s, threeDigits(next))
	}
	return s[len(series):]
}

// median returns the median over seeds of the final held-out loss; a run that
// diverged or failed counts as infinite.
func (g *Grid) median(method string, lr float64, done map[string]*record.Run) float64 {
	var losses []float64
	for _, seed := range g.Seeds {
		l := math.Inf(1)
		if r := done[ID(method, lr, seed)]; r != nil && r.Status == record.Done {
			l = r.Eval["adapt_after"]
		}
		losses = append(losses, l)
	}
	slices.Sort(losses)
	n := len(losses)
	return (losses[(n-1)/2] + losses[n/2]) / 2
}
