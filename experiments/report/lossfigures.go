package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// lossFigures are the charts that need nothing but the runs' results.
func lossFigures(methods []*method) []figure {
	var out []figure
	if len(ranked(methods)) > 0 {
		out = append(out, bestLoss(methods))
	}
	if len(methods) >= crowd {
		if f, ok := losses(methods); ok {
			out = append(out, f)
		}
	} else if f, ok := lossByRate(methods, "", nil); ok {
		f.name, f.caption = "loss_by_learning_rate", "Held-out loss against learning rate. "+f.caption
		out = append(out, f)
	}
	if len(ranked(methods)) > 0 {
		out = append(out, goodRates(methods))
	}
	if f, ok := forgetting(methods); ok {
		out = append(out, f)
	}
	return out
}

func lossTitle(methods []*method) string {
	return fmt.Sprintf("held-out loss (%s)", unitOf(methods...))
}

// bestLoss is a row a method: the seeds' losses at its best learning rate.
func bestLoss(methods []*method) figure {
	order := ranked(methods)
	low, high := math.Inf(1), math.Inf(-1)
	var rows []chart.Row
	for _, m := range order {
		row := chart.Row{Name: m.label, Style: m.style, Low: m.best.low, High: m.best.high, Middle: m.best.median,
			Points: m.best.losses, Note: loss(m.best.median)}
		for _, r := range m.best.finished {
			row.Tips = append(row.Tips, fmt.Sprintf("%s, seed %d, lr %s: %s", m.label, r.Seed, lrText(r.LR), loss(r.Eval["adapt_after"])))
		}
		if n := len(m.best.diverged); n > 0 {
			row.Note += fmt.Sprintf(" (%d div.)", n)
		}
		low, high = min(low, m.best.low), max(high, m.best.high)
		rows = append(rows, row)
	}
	caption := "Held-out loss after adaptation, each method at its own best learning rate, best first. A dot is a seed, the upright line the median, whose value stands on the right. The axis does not start at zero."
	var rules []chart.Rule
	if start := before(methods); finite(start) {
		if start <= high+1.2*(high-low) && start >= low-1.2*(high-low) {
			rules = []chart.Rule{{At: start, Text: "before adaptation"}}
			caption += fmt.Sprintf(" Dashed: the base model before adaptation, %s.", loss(start))
		} else {
			caption += fmt.Sprintf(" The base model before adaptation, %s, lies beyond the axis.", loss(start))
		}
	}
	return figure{"best_loss", caption, func(width float64, legend bool) string {
		return chart.Rows{Title: title(legend, "Best held-out loss of each method"), Width: width, X: chart.Axis{Title: lossTitle(methods)}, Rows: rows, Rules: rules}.SVG()
	}}
}

// title is a chart's title where it stands alone; on a page the heading and the
// caption say it.
func title(alone bool, text string) string {
	if alone {
		return text
	}
	return ""
}

// lossByRate draws the median loss of every method against the learning rate.
// With an axis named, methods of other axes are drawn in grey behind.
func lossByRate(methods []*method, axis string, within func(*method) bool) (figure, bool) {
	var back, front []chart.Series
	var edges []chart.Edge
	rates, shown := map[float64]bool{}, false
	for _, m := range methods {
		muted := within != nil && !within(m)
		s := chart.Series{Name: m.label, Style: m.style, Line: true, Mark: !muted, Muted: muted}
		for _, at := range m.rates {
			rates[at.lr] = true
			s.X, s.Y = append(s.X, at.lr), append(s.Y, at.median)
			s.Low, s.High = append(s.Low, at.low), append(s.High, at.high)
			s.Tips = append(s.Tips, fmt.Sprintf("%s, lr %s: %s%s", m.label, lrText(at.lr), loss(at.median), spread(&at)))
			shown = shown || finite(at.median)
			for _, r := range at.diverged {
				edges = append(edges, chart.Edge{Name: m.label, X: at.lr, Style: m.style, Muted: muted,
					Tip: fmt.Sprintf("%s, lr %s, seed %d: diverged%s", m.label, lrText(at.lr), r.Seed, atStep(r.DivergedAt))})
			}
		}
		if muted {
			back = append(back, s)
		} else {
			front = append(front, s)
		}
	}
	if !shown && len(edges) == 0 {
		return figure{}, false
	}
	y := chart.Axis{Title: lossTitle(methods)}
	y.Min, y.Max = lossWindow(methods)
	caption := "Lines are medians over seeds, bands their range."
	if len(edges) > 0 {
		caption += " Marks in the strip above are runs that diverged; a rate at which the median is infinite has no point."
	}
	if y.Min < y.Max {
		caption += fmt.Sprintf(" Losses above %s lie beyond the chart.", number(y.Max))
	}
	var rules []chart.Rule
	if start := before(methods); finite(start) && start < y.Max {
		rules = []chart.Rule{{At: start, Text: "before adaptation"}}
	}
	return figure{caption: caption, draw: func(width float64, legend bool) string {
		height := 470.0
		if width < 600 {
			height = 360
		}
		c := chart.Plot{Title: title(legend, "Held-out loss against learning rate"), Width: width, Height: height, Legend: legend,
			X: chart.Axis{Title: "learning rate", Log: true}, Y: y, Series: append(slices.Clone(back), front...), Edges: edges, EdgeTitle: "diverged", Rules: rules}
		if axis != "" {
			c.Title, c.Height = axis, 250
			c.Y.Title = fmt.Sprintf("loss (%s)", unitOf(methods...))
		}
		return c.SVG()
	}}, true
}

func atStep(step int) string {
	if step <= 0 {
		return ""
	}
	return fmt.Sprintf(" at step %d", step)
}

// lossWindow is the range of losses that a comparison of methods needs: from
// the best to a good way above the methods' best ones, where the base model
// before adaptation is not lower. Both are 0 where all losses fit anyway.
func lossWindow(methods []*method) (low, high float64) {
	order := ranked(methods)
	if len(order) == 0 {
		return 0, 0
	}
	lowest, top := math.Inf(1), math.Inf(-1)
	for _, m := range methods {
		for _, at := range m.rates {
			if len(at.losses) > 0 {
				lowest, top = min(lowest, at.low), max(top, at.high)
			}
		}
	}
	bests := make([]float64, len(order))
	for i, m := range order {
		bests[i] = m.best.median
	}
	spread := bests[len(bests)*9/10] - bests[0]
	limit := bests[0] + 5*spread
	if start := before(methods); finite(start) {
		limit = min(max(limit, bests[0]+0.35*(start-bests[0])), start*1.02)
	}
	if !(limit > bests[0]) || top <= limit {
		return 0, 0
	}
	return lowest - 0.04*(limit-lowest), limit
}

// byAxis draws one small chart of loss against learning rate for every axis.
func byAxis(methods []*method) []figure {
	var axes []string
	for _, m := range methods {
		if m.Name != baseline && !slices.Contains(axes, m.Axis) {
			axes = append(axes, m.Axis)
		}
	}
	if len(axes) < 2 {
		return nil
	}
	slices.Sort(axes)
	var out []figure
	for _, axis := range axes {
		name := axis
		if name == "" {
			name = "other"
		}
		if f, ok := lossByRate(methods, name, func(m *method) bool { return m.Axis == axis || m.Name == baseline }); ok {
			out = append(out, f)
		}
	}
	return out
}

// goodRates is a row a method: its range of good learning rates.
func goodRates(methods []*method) figure {
	var rows []chart.Row
	for _, m := range ranked(methods) {
		g := m.good()
		note := fmt.Sprintf("%.2f", g.decades())
		if g.openLow || g.openHigh {
			note = "≥ " + note
		}
		rows = append(rows, chart.Row{Name: m.label, Style: m.style, Low: g.low, High: g.high, OpenLow: g.openLow, OpenHigh: g.openHigh,
			Middle: math.NaN(), Points: []float64{m.best.lr}, Note: note,
			Tips: []string{fmt.Sprintf("%s: best at %s, good from %s to %s", m.label, lrText(m.best.lr), lrText(g.low), lrText(g.high))}})
	}
	return figure{"good_learning_rates",
		"Range of good learning rates; the dot is the best one, the number the width in decades (powers of ten). Good: the median loss is within 1 % of the method's own best median; between two tried rates the place is interpolated linearly in log(learning rate); next to a rate that diverged the range ends at the last finite one. An arrow, and ≥, say that the range reaches the end of the grid and may go on.",
		func(width float64, legend bool) string {
			return chart.Rows{Title: title(legend, "Range of good learning rates"), Width: width, X: chart.Axis{Title: "learning rate (numbers: width in decades)", Log: true}, Rows: rows}.SVG()
		}}
}

// unbracketed names the methods whose optimum is an end of the grid.
func unbracketed(methods []*method) []string {
	var out []string
	for _, m := range methods {
		switch m.edge() {
		case "only":
			out = append(out, fmt.Sprintf("%s: optimum not bracketed, only one learning rate (%s) was tried.", m.label, lrText(m.best.lr)))
		case "lowest", "highest":
			out = append(out, fmt.Sprintf("%s: optimum not bracketed, its best learning rate %s is the %s of its grid.", m.label, lrText(m.best.lr), m.edge()))
		}
		if m.best == nil && len(m.rates) > 0 {
			out = append(out, m.label+": no learning rate has a finite median loss.")
		}
	}
	return out
}

// forgetting is the scatter of what a method gains on the new text against
// what it loses on the old one.
func forgetting(methods []*method) (figure, bool) {
	var series []chart.Series
	var labels []chart.Label
	for _, m := range ranked(methods) {
		seeds := chart.Series{Name: m.label, Style: m.style, Mark: true, Small: true}
		for _, r := range m.best.finished {
			x, y := difference(r, "adapt_before", "adapt_after"), difference(r, "base_after", "base_before")
			if !finite(x) || !finite(y) {
				continue
			}
			seeds.X, seeds.Y = append(seeds.X, x), append(seeds.Y, y)
			seeds.Tips = append(seeds.Tips, fmt.Sprintf("%s, seed %d: gain %s, forgetting %s", m.label, r.Seed, number(x), number(y)))
		}
		if len(seeds.X) == 0 {
			continue
		}
		middle := chart.Series{Name: m.label, Style: m.style, Mark: true, X: []float64{median(seeds.X)}, Y: []float64{median(seeds.Y)}}
		middle.Tips = []string{fmt.Sprintf("%s, median: gain %s, forgetting %s", m.label, number(middle.X[0]), number(middle.Y[0]))}
		if len(seeds.X) > 1 {
			series = append(series, seeds)
		}
		series = append(series, middle)
		labels = append(labels, chart.Label{X: middle.X[0], Y: middle.Y[0], Text: m.label})
	}
	if len(series) == 0 {
		return figure{}, false
	}
	return figure{"forgetting_against_gain",
		"Forgetting (held-out loss on the base model's own text, after minus before) against gain (held-out loss on the new text, before minus after), each method at its best learning rate: large marks are medians, small ones seeds. Better is to the right and below.",
		func(width float64, legend bool) string {
			height := 460.0
			if width < 600 {
				height = 400
			}
			return chart.Plot{Title: title(legend, "Forgetting against gain"), Width: width, Height: height,
				X: chart.Axis{Title: "gain on the new text (nats per token)"}, Y: chart.Axis{Title: "forgetting (nats per token)"},
				Series: series, Labels: labels}.SVG()
		}}, true
}
