package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/lora/nearest"
)

// A Selection is one metric of some layers of the runs of a study.
type Selection struct {
	Metric string                 // a name, or the beginning of numbered ones: "sigma"
	Unit   string                 // of its values, for an axis
	Layers func(name string) bool // which layers; nil: the model, or of a metric that it has not all layers
}

// A Drawing is a figure and the numbers that are in it.
type Drawing struct {
	SVG     string
	Columns []string
	Rows    [][]string
}

// CSV writes the numbers with a head.
func (d Drawing) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.WriteAll(append([][]string{d.Columns}, d.Rows...)); err != nil {
		return err
	}
	return c.Error()
}

// Draw draws a selection: of one run a heat map of the layers, or of the numbers
// of a numbered metric, over steps; of several runs a line a method at its best
// learning rate, the median over layers and seeds, with the range of the seeds
// as a band.
func Draw(study Study, s Selection) (Drawing, error) {
	groups := chosen(study.Runs)
	var read, ofLayers []observation // what is selected; of all layers, where that is the model's
	var names, layers []string
	for _, g := range groups {
		for _, r := range g.runs {
			rows, err := study.Metrics(r)
			if err != nil {
				return Drawing{}, fmt.Errorf("the metrics of %s: %w", r.ID, err)
			}
			for _, row := range rows {
				add(&names, row.Name)
				if row.Layer != "" {
					add(&layers, row.Layer)
				}
				n, ok := s.number(row.Name)
				x := observation{g.label, g.style, r.ID, row.Layer, n, row.Step, row.Value}
				switch {
				case !ok:
				case s.Layers == nil && row.Layer == "", s.Layers != nil && row.Layer != "" && s.Layers(row.Layer):
					read = append(read, x)
				case s.Layers == nil && !row.Aggregate():
					ofLayers = append(ofLayers, x)
				}
			}
		}
	}
	byLayer := s.Layers != nil
	if len(read) == 0 && !byLayer {
		read, byLayer = ofLayers, true
	}
	if len(read) == 0 {
		return Drawing{}, s.nothing(names, layers)
	}
	numbered := slices.ContainsFunc(read, func(x observation) bool { return x.number > 0 })
	if len(groups) == 1 && len(groups[0].runs) == 1 && (numbered || byLayer) {
		return s.heat(read, groups[0].runs[0].ID, numbered)
	}
	if numbered {
		return Drawing{}, fmt.Errorf("metric %s is numbered: of several runs choose one number, %s_1", s.Metric, s.Metric)
	}
	return s.lines(read, byLayer)
}

// An observation is one recorded value.
type observation struct {
	label  string
	style  int
	run    string
	layer  string
	number int // of a numbered metric, else 0
	step   int
	value  float64
}

// number reports whether a recorded metric is selected, and its number where
// the selection is the beginning of numbered ones.
func (s Selection) number(name string) (int, bool) {
	if name == s.Metric {
		return 0, true
	}
	rest, ok := strings.CutPrefix(name, strings.TrimRight(s.Metric, "_")+"_")
	n, err := strconv.Atoi(rest)
	return n, ok && err == nil && n > 0
}

// nothing is the error of a selection without a value.
func (s Selection) nothing(names, layers []string) error {
	if !slices.ContainsFunc(names, func(n string) bool { _, ok := s.number(n); return ok }) {
		return fmt.Errorf("metric %q was not recorded; there are, nearest first: %s", s.Metric, nearest.Choices(s.Metric, names))
	}
	return fmt.Errorf("no layer is selected that has the metric %s; there are: %s", s.Metric, nearest.Choices("*.q_proj", layers))
}

func add(list *[]string, name string) {
	if !slices.Contains(*list, name) {
		*list = append(*list, name)
	}
}

// A group is the runs of one line.
type group struct {
	label string
	style int
	runs  []*record.Run
}

// chosen returns every method's runs at its best learning rate, or where none
// has a best one all runs, each for itself.
func chosen(runs []*record.Run) []group {
	var list []group
	for _, m := range summarise(runs) {
		if m.best != nil {
			list = append(list, group{m.label, m.style, m.best.finished})
		}
	}
	if len(list) > 0 {
		return list
	}
	for i, r := range runs {
		list = append(list, group{r.ID, i, []*record.Run{r}})
	}
	return list
}

// lines draws a line a method, of layers or of the model.
func (s Selection) lines(read []observation, byLayer bool) (Drawing, error) {
	d := Drawing{Columns: []string{"method", "step", "median", "lowest_seed", "highest_seed", "seeds"}}
	var series []chart.Series
	type key struct {
		run  string
		step int
	}
	for i := 0; i < len(read); {
		label, style := read[i].label, read[i].style
		of := map[key][]float64{}
		for ; i < len(read) && read[i].label == label; i++ {
			if finite(read[i].value) {
				k := key{read[i].run, read[i].step}
				of[k] = append(of[k], read[i].value)
			}
		}
		seeds := map[int][]float64{} // the median over layers of each run, by step
		for k, v := range of {
			seeds[k.step] = append(seeds[k.step], median(v))
		}
		line := chart.Series{Name: label, Style: style, Line: true}
		for _, step := range slices.Sorted(maps.Keys(seeds)) {
			v := seeds[step]
			low, high := slices.Min(v), slices.Max(v)
			line.X, line.Y = append(line.X, float64(step)), append(line.Y, median(v))
			line.Low, line.High = append(line.Low, low), append(line.High, high)
			d.Rows = append(d.Rows, []string{label, strconv.Itoa(step), exact(median(v)), exact(low), exact(high), strconv.Itoa(len(v))})
		}
		line.Mark = len(line.X) == 1
		series = append(series, line)
	}
	title := s.Metric + ": median over layers and seeds, bands are the range of the seeds"
	if !byLayer {
		title = s.Metric + ": median over seeds, bands are their range"
	}
	d.SVG = chart.Plot{Title: title, Width: wide, Height: 420, Legend: true, X: chart.Axis{Title: "step", Whole: true},
		Y: chart.Axis{Title: s.title(), Log: wideRange(series) && positiveAll(series)}, Series: series}.SVG()
	return d, nil
}

func (s Selection) title() string {
	if s.Unit == "" || s.Unit == "1" {
		return s.Metric
	}
	return s.Metric + " (" + s.Unit + ")"
}

func positiveAll(series []chart.Series) bool {
	for _, s := range series {
		if slices.ContainsFunc(s.Y, func(v float64) bool { return v <= 0 }) {
			return false
		}
	}
	return true
}

// mostRows is how many rows a heat map of numbers has before it becomes one of
// the medians over layers.
const mostRows = 48

// heat draws one run: a row a layer, or a row a number of each layer.
func (s Selection) heat(read []observation, run string, numbered bool) (Drawing, error) {
	type place struct {
		layer  string
		number int
	}
	at := map[place]map[int][]float64{}
	steps := map[int]bool{}
	var layers []string
	most := 0
	for _, x := range read {
		add(&layers, x.layer)
		most = max(most, x.number)
	}
	pooled := numbered && len(layers)*most > mostRows
	for _, x := range read {
		p := place{x.layer, x.number}
		if pooled {
			p.layer = ""
		}
		if at[p] == nil {
			at[p] = map[int][]float64{}
		}
		at[p][x.step] = append(at[p][x.step], x.value)
		steps[x.step] = true
	}
	order := map[string]int{}
	for i, l := range layersOf(layers) {
		order[l.name] = i
	}
	places := slices.SortedFunc(maps.Keys(at), func(a, b place) int {
		return cmp.Or(cmp.Compare(order[a.layer], order[b.layer]), cmp.Compare(a.number, b.number))
	})
	columns := slices.Sorted(maps.Keys(steps))
	d := Drawing{Columns: []string{"run", "layer", "metric", "step", "value"}}
	h := chart.Heat{Title: s.Metric + " of " + run, Width: min(wide, 320+90*float64(len(columns))), ColumnTitle: "step", Unit: s.Unit}
	if pooled {
		h.Title += fmt.Sprintf(", median over %d layers", len(layers))
	}
	for _, step := range columns {
		h.Columns = append(h.Columns, strconv.Itoa(step))
	}
	if h.Unit == "" || h.Unit == "1" {
		h.Unit = s.Metric
	}
	low, high := math.Inf(1), 0.0
	for _, p := range places {
		metric, name := s.Metric, p.layer
		if p.number > 0 {
			metric = strings.TrimRight(s.Metric, "_") + "_" + strconv.Itoa(p.number)
			name = strings.TrimLeft(p.layer+" "+metric, " ")
		}
		row := make([]float64, len(columns))
		for i, step := range columns {
			row[i] = median(at[p][step])
			if finite(row[i]) {
				d.Rows = append(d.Rows, []string{run, p.layer, metric, strconv.Itoa(step), exact(row[i])})
				low, high = min(low, row[i]), max(high, row[i])
			}
		}
		h.Rows, h.Values = append(h.Rows, name), append(h.Values, row)
	}
	h.Log = low > 0 && high > 10*low
	d.SVG = h.SVG()
	return d, nil
}

// exact writes a value so that it is read back as it was.
func exact(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
