package analyze

import (
	"math"
	"slices"
	"strconv"

	"github.com/lowrank/lowrank/experiments/report"
	"github.com/lowrank/lowrank/experiments/report/chart"
)

// spectra draws the singular values of an adapter's maps.
func (r *Report) spectra(x index, a *Adapter) report.Section {
	_, kinds, at := report.Grid(r.Modules)
	s := report.Section{Title: "Spectra of " + a.Short, Text: []string{
		"Singular values of ΔW. Thin lines are single maps, strong ones the median of a kind of map. A spectrum that falls fast uses few of the directions that it was given."}}
	for style, kind := range kinds {
		s.Keys = append(s.Keys, report.Key{Name: kind, Style: style})
	}
	draw := func(title, unit string, log bool, value func(m *Map, i int) float64) {
		var thin, strong []chart.Series
		for style, kind := range kinds {
			var all [][]float64
			for _, m := range a.Maps {
				if at[m.Name][1] != style || m.missing != nil {
					continue
				}
				c := chart.Series{Name: kind, Style: style, Line: true, Thin: true}
				for i := range m.Rank {
					c.X, c.Y = append(c.X, float64(i+1)), append(c.Y, value(m, i+1))
				}
				thin, all = append(thin, c), append(all, c.Y)
			}
			if len(all) > 1 {
				c := chart.Series{Name: kind, Style: style, Line: true}
				for i := range slices.MaxFunc(all, func(p, q []float64) int { return len(p) - len(q) }) {
					c.X, c.Y = append(c.X, float64(i+1)), append(c.Y, medianOf(all, i))
				}
				strong = append(strong, c)
			}
		}
		if len(thin) > 0 {
			s.Charts = append(s.Charts, chart.Plot{Title: title, Width: report.ChartWidth, Height: 260, X: chart.Axis{Title: "i", Whole: true},
				Y: chart.Axis{Title: unit, Log: log}, Series: append(thin, strong...)}.SVG())
		}
	}
	sigma := func(m *Map, i int) float64 { return x.of(a.Name, "", m.Name, "sigma_"+strconv.Itoa(i)) }
	draw("Singular values", "σ_i (weight)", true, sigma)
	draw("Singular values, relative", "σ_i/σ_1", true, func(m *Map, i int) float64 { return sigma(m, i) / sigma(m, 1) })
	draw("Energy in the first i directions", "part of ‖ΔW‖²", false, func(m *Map, i int) float64 {
		sum := 0.0
		for k := 1; k <= i; k++ {
			sum += sigma(m, k) * sigma(m, k)
		}
		norm := x.of(a.Name, "", m.Name, "frobenius_norm")
		return sum / (norm * norm)
	})
	return s
}

// medianOf returns the median of the i-th values of the curves that have one.
func medianOf(all [][]float64, i int) float64 {
	var v []float64
	for _, c := range all {
		if i < len(c) && !math.IsNaN(c[i]) {
			v = append(v, c[i])
		}
	}
	return middle(v)
}

// A heat map of one metric, by place and kind of map.
type heat struct {
	metric, title string
	min, max      float64 // ends of the colours; equal: from the data
}

var aloneHeats = []heat{{"frobenius_norm", "‖ΔW‖", 0, 0}, {"spectral_norm", "σ₁ of ΔW", 0, 0},
	{"condition_a", "Condition of A", 0, 0}, {"condition_b", "Condition of B", 0, 0}, {"balance", "Balance ‖BᵀB − AAᵀ‖", 0, 0}}

var againstHeats = []heat{{"relative_norm", "‖ΔW‖/‖W0‖", 0, 0}, {"amplification", "Amplification", 0, 0}, {"intruders", "Intruders among 10", 0, 10}, {"intruders_undecided", "Undecided among 10", 0, 10},
	{"overlap_top_left", "Outputs within W0's leading r", 0, 1}, {"overlap_top_right", "Inputs within W0's leading r", 0, 1},
	{"overlap_bottom_left", "Outputs within W0's trailing r", 0, 1}, {"overlap_bottom_right", "Inputs within W0's trailing r", 0, 1}}

var betweenHeats = []heat{{"cosine", "Cosine of ΔW", 0, 1}, {"overlap_left", "Overlap of outputs", 0, 1}, {"overlap_right", "Overlap of inputs", 0, 1}, {"interference", "Interference", 0, 1}}

// draw draws a heat map, "" where no map has a value.
func (h heat) draw(x index, adapter, other string) string {
	places, kinds, at := report.Grid(x.modules)
	values := make([][]float64, len(places))
	for i := range values {
		values[i] = make([]float64, len(kinds))
		for j := range kinds {
			values[i][j] = math.NaN()
		}
	}
	any := false
	for _, m := range x.modules {
		v := x.of(adapter, other, m, h.metric)
		values[at[m][0]][at[m][1]] = v
		any = any || !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	if !any {
		return ""
	}
	return chart.Heat{Title: h.title, Width: report.ChartWidth, Rows: places, Columns: kinds, Values: values, Min: h.min, Max: h.max, RowTitle: "layer"}.SVG()
}

func (s charts) heats(x index, adapter, other string, list []heat) charts {
	for _, h := range list {
		if svg := h.draw(x, adapter, other); svg != "" {
			s = append(s, svg)
		}
	}
	return s
}

type charts []string

// maps draws and lists what an adapter's maps are like.
func (r *Report) maps(x index, a *Adapter) report.Section {
	s := report.Section{Title: "Maps of " + a.Short}
	columns := aloneColumns
	most := 0
	for _, m := range a.Maps {
		most = max(most, m.Rank)
	}
	s.Charts = charts(s.Charts).heats(x, a.Name, "", []heat{{"effective_rank", "Effective rank", 0, float64(most)}, {"stable_rank", "Stable rank", 0, float64(most)}})
	s.Charts = charts(s.Charts).heats(x, a.Name, "", aloneHeats)
	if r.Base {
		s.Text = append(s.Text, "A ΔW of random directions would have an overlap of r over the number of outputs (inputs) with any r directions of W0. "+
			"An intruder is one of the 10 leading left singular vectors of W' that has a cosine below 0.5 with every one of W0's.")
		s.Charts = charts(s.Charts).heats(x, a.Name, "", againstHeats)
		columns = slices.Concat(columns, againstColumns)
	}
	t := &report.Table{Columns: []report.Column{{Name: "Map"}, {Name: "Out × in"}, {Name: "Rank", Numeric: true}, {Name: "Scaling", Numeric: true}}}
	for _, c := range columns {
		t.Columns = append(t.Columns, report.Column{Name: c.metric, Numeric: true})
	}
	for _, m := range a.Maps {
		row := []report.Cell{{Text: m.Name}, {Text: strconv.Itoa(m.Out) + " × " + strconv.Itoa(m.In)}, number(float64(m.Rank)), number(float64(m.Scaling))}
		for _, c := range columns {
			row = append(row, number(x.of(a.Name, "", m.Name, c.metric)))
		}
		t.Rows = append(t.Rows, row)
	}
	s.Table = t
	return s
}

func number(v float64) report.Cell { return report.NumberCell(v, text(v)) }

// pairs draws how every two adapters stand to each other: a matrix of medians
// where there are more than two, and map by map for the first few pairs.
func (r *Report) pairs(x index) report.Section {
	s := report.Section{Title: "Between adapters", Text: []string{
		"Overlap is the mean squared cosine of the principal angles between the directions that two updates write (outputs) or read (inputs); interference is how much of the first update reads what the second reads and writes where it writes."}}
	n := len(r.Adapters)
	if n > 2 {
		var labels []string
		for _, a := range r.Adapters {
			labels = append(labels, a.Short)
		}
		for _, h := range betweenHeats {
			values := make([][]float64, n)
			for i, a := range r.Adapters {
				values[i] = make([]float64, n)
				for j, b := range r.Adapters {
					values[i][j] = x.median(a.Name, b.Name, h.metric)
					if j < i {
						values[i][j] = math.NaN()
					}
				}
			}
			s.Charts = append(s.Charts, chart.Heat{Title: h.title + ", median over maps", Width: report.ChartWidth, Rows: labels, Columns: labels, Values: values, Min: h.min, Max: h.max}.SVG())
		}
	} else {
		s.Charts = charts(s.Charts).heats(x, r.Adapters[0].Name, r.Adapters[1].Name, betweenHeats)
	}
	t := &report.Table{Columns: []report.Column{{Name: "Adapter"}, {Name: "Other"}, {Name: "Map"}}}
	for _, h := range betweenHeats {
		t.Columns = append(t.Columns, report.Column{Name: h.metric, Numeric: true})
	}
	for i, a := range r.Adapters {
		for _, b := range r.Adapters[i+1:] {
			for _, m := range r.Modules {
				row, any := []report.Cell{{Text: a.Short}, {Text: b.Short}, {Text: m}}, false
				for _, h := range betweenHeats {
					v := x.of(a.Name, b.Name, m, h.metric)
					any = any || !math.IsNaN(v)
					row = append(row, number(v))
				}
				if any {
					t.Rows = append(t.Rows, row)
				}
			}
		}
	}
	s.Table = t
	return s
}

// checkpoints draws the path through the checkpoints: medians over maps, and
// the middle half of the maps as bands.
func (r *Report) checkpoints(x index) report.Section {
	s := report.Section{Title: "Checkpoints", Text: []string{"Medians over maps; bands are the middle half of the maps. A path that is much longer than the displacement has turned back on itself."}}
	for _, f := range []struct {
		title, unit string
		metrics     []string
	}{
		{"Path and displacement", "Frobenius norm (weight)", []string{"checkpoint_path", "checkpoint_displacement"}},
		{"Efficiency of the path", "displacement/path", []string{"checkpoint_efficiency"}},
		{"Cosine between steps", "cosine", []string{"checkpoint_cosine"}},
		{"Size of each step", "Frobenius norm (weight)", []string{"checkpoint_step"}},
	} {
		var series []chart.Series
		for style, metric := range f.metrics {
			c := chart.Series{Name: metric[len("checkpoint_"):], Style: style, Line: true, Mark: len(r.Adapters) <= 40}
			for i, a := range r.Adapters[1:] {
				v := x.all(a.Name, "", metric)
				c.X, c.Y = append(c.X, float64(i+2)), append(c.Y, middle(v))
				c.Low, c.High = append(c.Low, quantile(v, 0.25)), append(c.High, quantile(v, 0.75))
			}
			series = append(series, c)
		}
		s.Charts = append(s.Charts, chart.Plot{Title: f.title, Width: report.ChartWidth, Height: 250, X: chart.Axis{Title: "checkpoint", Whole: true},
			Y: chart.Axis{Title: f.unit}, Series: series, Legend: len(series) > 1}.SVG())
	}
	return s
}
