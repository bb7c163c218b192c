package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// theory is the style of what theory says, in a colour that no method has.
const theory = 23

// curves draws the loss over the learning rate, or over lr·λ.
func (all outcomes) curves(methods []string, rule rule, r int, start float64, scaled bool) chart.Plot {
	plot := chart.Plot{Title: "Held-out loss against the learning rate, " + rule.name, Width: 640, Height: 380, Legend: true,
		X: chart.Axis{Title: "learning rate", Log: true}, Y: chart.Axis{Title: "held-out loss, nats a byte"},
		Rules: []chart.Rule{{At: start, Text: "no training"}}}
	if scaled {
		plot.Title = "Held-out loss against lr·λ, " + rule.name
		plot.X.Title = "learning rate × λ at the start"
	}
	lowest := start
	for i, method := range methods {
		s := chart.Series{Name: method, Style: i, Line: true, Mark: true}
		by := 1.0
		if scaled {
			by = middle(all.bySeed(method, sharpness))
		}
		for j, lr := range rule.lrs {
			losses := all.bySeed(method, func(o outcome) float64 { return o.curves[r].losses[j] })
			low, median, high := slices.Min(losses), middle(losses), slices.Max(losses)
			if !(high < start) { // a gap
				low, median, high = math.NaN(), math.NaN(), math.NaN()
			} else {
				lowest = min(lowest, low)
			}
			s.X, s.Y, s.Low, s.High = append(s.X, lr*by), append(s.Y, median), append(s.Low, low), append(s.High, high)
		}
		plot.Series = append(plot.Series, s)
	}
	if scaled && rule.gradient() {
		plot.Series = append(plot.Series, chart.Series{Name: "lr·λ = 2", Style: theory, Line: true, X: []float64{2, 2}, Y: []float64{lowest, start}})
	}
	return plot
}

// scatter draws the best rate over λ, a point a seed, and the line that theory
// has for the rule.
func (all outcomes) scatter(methods []string, rule rule, r int) chart.Plot {
	plot := chart.Plot{Title: "Best learning rate against sharpness, " + rule.name, Width: 640, Height: 380, Legend: true,
		X: chart.Axis{Title: "λ at the start, nats a byte / weight²", Log: true}, Y: chart.Axis{Title: "best learning rate", Log: true}}
	var sharp []float64
	for i, method := range methods {
		s := chart.Series{Name: method, Style: i, Mark: true}
		s.X = all.bySeed(method, sharpness)
		s.Y = all.bySeed(method, func(o outcome) float64 { return o.curves[r].best })
		sharp = append(sharp, s.X...)
		for _, o := range all {
			if o.method == method {
				s.Tips = append(s.Tips, fmt.Sprintf("%s, seed %d", method, o.seed))
			}
		}
		plot.Series = append(plot.Series, s)
	}
	ends := []float64{slices.Min(sharp), slices.Max(sharp)}
	line := func(name string, f func(x float64) float64) {
		plot.Series = append(plot.Series, chart.Series{Name: name, Style: theory, Line: true, X: ends, Y: []float64{f(ends[0]), f(ends[1])}})
	}
	if rule.gradient() {
		line("2/λ", func(x float64) float64 { return 2 / x })
		return plot
	}
	// through LoRA, of which each other method would be a rescaling
	x, y := middle(all.bySeed(methods[0], sharpness)), middle(all.bySeed(methods[0], func(o outcome) float64 { return o.curves[r].best }))
	line("λ^(−½) through "+methods[0], func(at float64) float64 { return y * math.Sqrt(x/at) })
	return plot
}
