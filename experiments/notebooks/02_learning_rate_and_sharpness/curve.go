package main

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// A curve is the loss over the learning rate.
type curve struct {
	lrs, losses []float64 // +Inf where a run diverged
	rate, loss  float64   // where the loss is lowest on the grid
	best        float64   // between the rates of the grid
	limit       float64   // the largest rate up to which no run ends above the start

	after, afterLower float64 // lr·λ after the run with rate, and after one with half a decade less
}

// newCurve finds the best rate; start is the loss without training.
func newCurve(lrs, losses []float64, start float64) curve {
	c := curve{lrs: lrs, losses: losses, limit: lrs[0]}
	i := slices.Index(losses, slices.Min(losses))
	c.rate, c.loss, c.best = lrs[i], losses[i], lrs[i]
	if i > 0 && i+1 < len(lrs) && losses[i-1] < start && losses[i+1] < start {
		// the lowest point of the parabola through three points one step apart
		if bend := losses[i-1] - 2*losses[i] + losses[i+1]; bend > 0 {
			c.best *= math.Pow(lrs[i+1]/lrs[i], (losses[i-1]-losses[i+1])/(2*bend))
		}
	}
	for j, loss := range losses {
		if !(loss < start) {
			break
		}
		c.limit = lrs[j]
	}
	return c
}

// near returns the index of the rate of the grid that is nearest, by ratio.
func (c curve) near(lr float64) int {
	nearest := 0
	for i := range c.lrs {
		if math.Abs(math.Log(c.lrs[i]/lr)) < math.Abs(math.Log(c.lrs[nearest]/lr)) {
			nearest = i
		}
	}
	return nearest
}

// cost is by how much the loss rises when the rate is so many decades from the
// best one of the grid: at most all that training gains.
func (c curve) cost(decades, start float64) float64 {
	return min(c.losses[c.near(c.rate*math.Pow(10, decades))], start) - c.loss
}

// reach is the lowest rate with which a run gets down to a loss, between those of
// the grid by log lr; the lowest of the grid if that is low enough.
func (c curve) reach(loss float64) float64 {
	i := slices.IndexFunc(c.losses, func(l float64) bool { return l <= loss })
	switch {
	case i < 0:
		return math.NaN()
	case i == 0 || math.IsInf(c.losses[i-1], 1):
		return c.lrs[i]
	}
	before, after := c.losses[i-1], c.losses[i]
	return c.lrs[i-1] * math.Pow(c.lrs[i]/c.lrs[i-1], (before-loss)/(before-after))
}

// A place on the curves of all methods, at which some learning rate lies.
type place struct {
	name    string
	spreads [][]float64 // by power of λ, a value a seed
	slopes  []float64
}

// measure adds a seed: rate says where the place is on a method's curve.
func (p *place) measure(all outcomes, methods []string, seed uint64, powers []float64, rate func(outcome) float64) {
	var rates, sharp []float64
	for _, method := range methods {
		o := all.of(method, seed)
		rates, sharp = append(rates, rate(o)), append(sharp, o.start.Value)
	}
	if p.spreads == nil {
		p.spreads = make([][]float64, len(powers))
	}
	for i, power := range powers {
		p.spreads[i] = append(p.spreads[i], spread(rates, sharp, power))
	}
	p.slopes = append(p.slopes, slope(sharp, rates))
}

// spread is the standard deviation of rate·sharp^power, in decades.
func spread(rates, sharp []float64, power float64) float64 {
	x := make([]float64, len(rates))
	for i := range x {
		x[i] = math.Log10(rates[i]) + power*math.Log10(sharp[i])
	}
	return stat.StdDev(x, nil)
}

// slope is that of the line of least squares through (log x, log y).
func slope(x, y []float64) float64 {
	lx, ly := make([]float64, len(x)), make([]float64, len(y))
	for i := range x {
		lx[i], ly[i] = math.Log(x[i]), math.Log(y[i])
	}
	_, b := stat.LinearRegression(lx, ly, nil, false)
	return b
}
