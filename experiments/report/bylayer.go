package report

import (
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/stat"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// overSteps is the heat map of one metric, adapter × step: the spectrum as it
// grows, or what a schedule has pruned and grown.
func (o *observed) overSteps(metric, title, unit string) string {
	curves := o.byLayer[metric]
	all := bySteps(curves)
	steps := pool(curves).steps
	if len(steps) < 2 {
		return ""
	}
	heat := chart.Heat{Title: title + ", adapter by step", Width: small, Unit: unit, ColumnTitle: "step"}
	high := 0.0
	for _, step := range steps {
		heat.Columns = append(heat.Columns, strconv.Itoa(int(step)))
		high = max(high, slices.Max(all[step]))
	}
	if !(high > 0) {
		return ""
	}
	heat.Max = high // colours from 0
	for i, l := range o.layers {
		if len(curves[i].steps) == 0 {
			continue
		}
		row := make([]float64, len(steps))
		for k, step := range steps {
			row[k] = math.NaN()
			if at := slices.Index(curves[i].steps, step); at >= 0 {
				row[k] = curves[i].values[at]
			}
		}
		heat.Rows, heat.Values = append(heat.Rows, l.place+" "+shortKind(l.kind)), append(heat.Values, row)
	}
	return heat.SVG()
}

// scheduled reports whether the rank of an adapter changed.
func (o *observed) scheduled() bool {
	return slices.ContainsFunc(o.byLayer["rank"], func(c curve) bool {
		return slices.ContainsFunc(c.values, func(v float64) bool { return v != c.values[0] })
	})
}

// movement draws how much the rows of the weights have changed in length against
// how much in direction, a point an adapter and checkpoint, in which LoRA and
// full fine-tuning differ (arXiv 2402.09353, figure 2).
func (o *observed) movement() string {
	magnitude, direction := o.byLayer["magnitude_change"], o.byLayer["direction_change"]
	if len(magnitude) == 0 || len(direction) == 0 {
		return ""
	}
	var series []chart.Series
	var x, y []float64
	for style, kind := range o.kinds() {
		s := chart.Series{Name: shortKind(kind), Style: style, Mark: true, Small: true}
		for i, l := range o.layers {
			if l.kind != kind {
				continue
			}
			for k, step := range direction[i].steps {
				d, m := direction[i].values[k], math.NaN()
				if at := slices.Index(magnitude[i].steps, step); at >= 0 {
					m = magnitude[i].values[at]
				}
				if finite(d) && finite(m) && d > 0 { // not the start, where nothing has moved
					s.X, s.Y = append(s.X, d), append(s.Y, m)
					s.Tips = append(s.Tips, l.place+" "+shortKind(kind)+", step "+strconv.Itoa(int(step)))
				}
			}
		}
		x, y = append(x, s.X...), append(y, s.Y...)
		series = append(series, s)
	}
	if len(x) < 3 {
		return ""
	}
	_, slope := stat.LinearRegression(x, y, nil, false)
	correlation := stat.Correlation(x, y, nil)
	if !finite(slope) || !finite(correlation) { // all the same
		return ""
	}
	return chart.Plot{Title: "Magnitude against direction of W'", Width: small, Height: 252,
		X: chart.Axis{Title: "1 − cosine (slope " + number2(slope) + ", correlation " + number2(correlation) + ")"}, Y: chart.Axis{Title: "magnitude change"}, Series: series}.SVG()
}
