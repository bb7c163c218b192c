package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// crowd is from how many methods on lines over each other are not to be told
// apart: then losses are a table of colours, and of the dynamics the curves of a
// few stand out.
const crowd = 20

// outstanding are the methods whose curves stand out: the baseline and the best;
// all, where there is no crowd.
func outstanding(methods []*method) []*method {
	if len(methods) < crowd {
		return methods
	}
	const best = 5
	var out []*method
	for _, m := range methods {
		if m.Name == baseline {
			out = append(out, m)
		}
	}
	for _, m := range ranked(methods) {
		if len(out) < best+1 && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// losses is a row a method, best first, and a column a learning rate: how far the
// median loss lies above the best one of the study.
func losses(methods []*method) (figure, bool) {
	order := ranked(methods)
	if len(order) == 0 {
		return figure{}, false
	}
	var lrs []float64
	for _, m := range order {
		for _, at := range m.rates {
			if !slices.Contains(lrs, at.lr) {
				lrs = append(lrs, at.lr)
			}
		}
	}
	slices.Sort(lrs)
	c := chart.Heat{}
	for _, lr := range lrs {
		c.Columns = append(c.Columns, chart.Rate(lr))
	}
	best, widest := order[0].best.median, 0.0
	for _, m := range order {
		row := make([]float64, len(lrs))
		for i := range row {
			row[i] = math.NaN()
		}
		for _, at := range m.rates {
			if finite(at.median) {
				row[slices.Index(lrs, at.lr)] = at.median - best
			}
		}
		widest = max(widest, m.best.median-best)
		c.Rows, c.Values = append(c.Rows, m.label), append(c.Values, row)
	}
	c.Min, c.Max = 0, max(2*widest, 1e-3) // twice the distance of the last one's best: beyond it all are alike
	caption := fmt.Sprintf("Held-out loss by learning rate (columns), best method first: the median over seeds above the lowest of all, %s, in %s; the paler, the better. The colour is full at %s. An empty cell: not tried, or diverged.",
		loss(best), unitOf(methods...), number(c.Max))
	return figure{name: "loss_by_learning_rate", caption: caption, draw: func(width float64, legend bool) string {
		c := c
		c.Title, c.Width = title(legend, "Held-out loss by learning rate, above the lowest"), width
		return c.SVG()
	}}, true
}
