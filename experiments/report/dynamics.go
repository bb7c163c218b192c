package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// comparisons are the metrics of layers drawn for all methods together.
var comparisons = []struct{ metric, title, unit string }{
	{"effective_rank", "Effective rank of ΔW", "effective rank"},
	{"relative_update_norm", "Update norm", "norm of a step / ‖W0‖"},
	{"alignment", "Alignment with the full gradient", "alignment efficiency (0 to 1)"},
	{"rank_usage", "Rank usage", "effective rank / r (to 2 with an offset base)"},
	{"stable_rank", "Stable rank of ΔW", "stable rank"},
	{"frobenius_norm", "Size of ΔW", "Frobenius norm"},
	{"captured_energy", "What rank r sees of the full gradient", "share of ‖G‖² (0 to 1)"},
	{"angle_start_a", "Largest angle of A's row space to its start", "radian"},
	{"overlap_top_left", "Overlap with W0's leading subspace", "mean squared cosine"},
	{"intruders", "Intruder dimensions", "of ten singular vectors"},
}

// The metrics whose values lie between fixed ends, or may be 0: their axis is even.
var even = []string{"alignment", "rank_usage", "captured_energy", "angle_start_a", "overlap_top_left", "intruders"}

// compareFigures draws the methods' dynamics side by side: one small chart a
// metric, a line a method.
func compareFigures(all []*observed) []figure {
	var out []figure
	lossUnit := perToken
	var methods []*method
	for _, o := range all {
		lossUnit, methods = unitOf(o.method), append(methods, o.method)
	}
	front := outstanding(methods)
	about := " over steps, each method at its best learning rate: median over layers and seeds; bands are the range of the seeds."
	if len(front) < len(methods) {
		about += " In colour the baseline and the best methods, in grey all others."
	}
	add := func(metric, title, unit string, log bool) {
		var back, series []chart.Series
		for _, o := range all {
			s, ok := overSeeds(o, metric)
			switch {
			case !ok:
			case slices.Contains(front, o.method):
				s.Mark = len(s.X) == 1 // measured once: no line to see
				series = append(series, s)
			default:
				s.Muted, s.Low, s.High = true, nil, nil
				back = append(back, s)
			}
		}
		series = append(back, series...)
		if len(series) == 0 {
			return
		}
		log = log && wideRange(series)
		out = append(out, figure{"dynamics_" + metric, title + about,
			func(width float64, legend bool) string {
				return chart.Plot{Title: title, Width: width, Height: min(260+width*0.15, 400), Legend: legend,
					X: chart.Axis{Title: "step", Whole: true}, Y: chart.Axis{Title: unit, Log: log}, Series: series}.SVG()
			}})
	}
	add("eval_loss", "Held-out loss", string(lossUnit), false)
	add("eval_adapt_loss", "Held-out loss, new text", string(lossUnit), false)
	add("eval_base_loss", "Held-out loss, base text", string(lossUnit), false)
	for _, c := range comparisons {
		add(c.metric, c.title, c.unit, !slices.Contains(even, c.metric))
	}
	return out
}

// wideRange reports whether the positive values span more than a power of ten.
func wideRange(series []chart.Series) bool {
	low, high := math.Inf(1), 0.0
	for _, s := range series {
		for _, v := range s.Y {
			if v > 0 && finite(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return high > 10*low
}

// overSeeds is a method's line of one metric: the median over seeds, with
// their range as a band.
func overSeeds(o *observed, metric string) (chart.Series, bool) {
	at := bySteps(o.seeds[metric])
	if len(at) == 0 {
		return chart.Series{}, false
	}
	c := pool(o.seeds[metric])
	s := chart.Series{Name: o.label, Style: o.style, Line: true, X: c.steps, Y: c.values}
	if len(o.seeds[metric]) > 1 {
		for _, step := range c.steps {
			s.Low, s.High = append(s.Low, slices.Min(at[step])), append(s.High, slices.Max(at[step]))
		}
	}
	return s, true
}

// details are the charts of one method: its typical run, layer by layer.
func (o *observed) details() []string {
	var out []string
	add := func(svg string) {
		if svg != "" {
			out = append(out, svg)
		}
	}
	add(o.losses())
	for _, c := range comparisons[:3] {
		add(o.perLayer(c.metric, c.title, c.unit))
	}
	add(o.spectrum())
	add(o.usage())
	add(o.movement())
	add(o.loads())
	if o.scheduled() {
		add(o.modelCurve("total_rank", "Total rank of all adapters", "rank"))
		add(o.overSteps("rank", "Active rank", "rank"))
	}
	add(o.overSteps("sigma_1", "σ₁ of ΔW", "singular value")) // the tall ones last
	return out
}

// losses draws the training loss and the held-out loss over steps.
func (o *observed) losses() string {
	var series []chart.Series
	for i, name := range []string{"train_loss", "eval_adapt_loss", "eval_loss"} {
		if c, ok := o.model[name]; ok && finite(c.last()) {
			series = append(series, chart.Series{Name: []string{"training", "held out", "held out"}[i], Style: []int{6, 1, 1}[i], X: c.steps, Y: c.values,
				Line: true, Thin: i == 0, Mark: i > 0 && len(c.steps) <= 40})
		}
	}
	if len(series) == 0 {
		return ""
	}
	return chart.Plot{Title: "Loss over steps", Width: small, Height: 252, X: chart.Axis{Title: "step", Whole: true},
		Y: chart.Axis{Title: string(unitOf(o.method))}, Series: series, Legend: true}.SVG()
}

// perLayer draws a thin line for every adapter and a strong one for the
// median of every kind of map.
func (o *observed) perLayer(metric, title, unit string) string {
	curves := o.byLayer[metric]
	var thin, strong []chart.Series
	for style, kind := range o.kinds() {
		var members []curve
		for i, l := range o.layers {
			if l.kind != kind || i >= len(curves) || !finite(curves[i].last()) {
				continue
			}
			members = append(members, curves[i])
			thin = append(thin, chart.Series{Name: shortKind(kind), Style: style, X: curves[i].steps, Y: curves[i].values, Line: true, Thin: true})
		}
		if len(members) > 1 {
			c := pool(members)
			strong = append(strong, chart.Series{Name: shortKind(kind), Style: style, X: c.steps, Y: c.values, Line: true})
		}
	}
	all := append(thin, strong...)
	if len(all) == 0 {
		return ""
	}
	return chart.Plot{Title: title, Width: small, Height: 230, X: chart.Axis{Title: "step", Whole: true},
		Y: chart.Axis{Title: unit, Log: metric == "relative_update_norm" && wideRange(all)}, Series: all}.SVG()
}

// spectrum draws the singular values of ΔW over steps, each the median over
// the adapters.
func (o *observed) spectrum() string {
	var series []chart.Series
	for i := 1; ; i++ {
		curves, ok := o.byLayer["sigma_"+strconv.Itoa(i)]
		if !ok {
			break
		}
		c := pool(curves)
		series = append(series, chart.Series{Name: "σ" + strconv.Itoa(i), Style: 0, X: c.steps, Y: c.values, Line: true, Thin: i > 1})
	}
	if len(series) == 0 || !slices.ContainsFunc(series, func(s chart.Series) bool { return len(s.X) > 0 }) {
		return ""
	}
	series[0].End, series[len(series)-1].End = series[0].Name, series[len(series)-1].Name
	return chart.Plot{Title: "Spectrum of ΔW, median over layers", Width: small, Height: 252, X: chart.Axis{Title: "step", Whole: true},
		Y: chart.Axis{Title: "singular value", Log: wideRange(series)}, Series: series}.SVG()
}

// usage is the heat map of rank usage at the last probe, layer × kind of map.
func (o *observed) usage() string {
	curves, ok := o.byLayer["rank_usage"]
	if !ok {
		return ""
	}
	kinds, places := o.kinds(), o.places()
	values := make([][]float64, len(places))
	any, most := false, 1.0
	for i, place := range places {
		values[i] = make([]float64, len(kinds))
		for j, kind := range kinds {
			values[i][j] = math.NaN()
			for n, l := range o.layers {
				if l.place == place && l.kind == kind {
					values[i][j] = curves[n].last()
					if v := values[i][j]; finite(v) {
						any, most = true, max(most, math.Ceil(v)) // 2 with an offset base
					}
				}
			}
		}
	}
	if !any {
		return ""
	}
	short := make([]string, len(kinds))
	for i, kind := range kinds {
		short[i] = shortKind(kind)
	}
	return chart.Heat{Title: "Rank usage at the end (effective rank / r)", Width: small, Rows: places, Columns: short, Values: values, Min: 0, Max: most, RowTitle: "layer"}.SVG()
}

// kindKeys is the legend of the charts with a line for every kind of map.
func (o *observed) kindKeys() []key {
	var out []key
	for style, kind := range o.kinds() {
		out = append(out, key{shortKind(kind), style})
	}
	return out
}

// shortKind leaves "_proj" off a map's name, so that it fits a column.
func shortKind(kind string) string {
	const suffix = "_proj"
	if len(kind) > len(suffix) && kind[len(kind)-len(suffix):] == suffix {
		return kind[:len(kind)-len(suffix)]
	}
	return kind
}

// modelCurve draws one metric of the model, if it was recorded.
func (o *observed) modelCurve(metric, title, unit string) string {
	c, ok := o.model[metric]
	if !ok || !finite(c.last()) {
		return ""
	}
	return chart.Plot{Title: title, Width: small, Height: 230, X: chart.Axis{Title: "step", Whole: true}, Y: chart.Axis{Title: unit},
		Series: []chart.Series{{Name: metric, Style: 0, X: c.steps, Y: c.values, Line: true}}}.SVG()
}

// loads draws the share of tokens that each expert of a router gets, the
// median over the adapters.
func (o *observed) loads() string {
	var series []chart.Series
	for i := 1; ; i++ {
		curves, ok := o.byLayer["load_"+strconv.Itoa(i)]
		if !ok {
			break
		}
		c := pool(curves)
		series = append(series, chart.Series{Name: fmt.Sprintf("expert %d", i), Style: i - 1, X: c.steps, Y: c.values, Line: true})
	}
	if len(series) == 0 {
		return ""
	}
	return chart.Plot{Title: "Router load, median over layers", Width: small, Height: 230, X: chart.Axis{Title: "step", Whole: true},
		Y: chart.Axis{Title: "share of tokens"}, Series: series, Legend: true}.SVG()
}
