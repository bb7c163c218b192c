package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
)

// observed is what the metrics say about one method at its best learning rate.
type observed struct {
	*method
	run     *record.Run        // the typical run, whose layers are shown one by one
	layers  []layer            // its adapters, in depth order
	model   map[string]curve   // metrics of the model, by name
	byLayer map[string][]curve // by metric; as many as layers
	seeds   map[string][]curve // by metric, a curve a seed: the median over layers
	notes   []string           // what could not be read, or was not finite
}

// layer is one adapter: where it is and what it adapts.
type layer struct {
	name  string
	place string // "3", or the name without the last part
	kind  string // the last part: "q_proj"
}

// curve is a metric over steps.
type curve struct{ steps, values []float64 }

func (c *curve) add(step int, v float64) {
	c.steps, c.values = append(c.steps, float64(step)), append(c.values, v)
}

// last is the last finite value, NaN for none.
func (c curve) last() float64 {
	for i := len(c.values) - 1; i >= 0; i-- {
		if finite(c.values[i]) {
			return c.values[i]
		}
	}
	return math.NaN()
}

// observe reads the metrics of the runs at every method's best learning rate.
func observe(study Study, methods []*method) []*observed {
	if study.Metrics == nil {
		return nil
	}
	var out []*observed
	for _, m := range methods {
		if m.best == nil {
			continue
		}
		o := &observed{method: m, run: m.typical(), seeds: map[string][]curve{}}
		for _, r := range m.best.finished {
			rows, err := study.Metrics(r)
			if err != nil {
				o.notes = append(o.notes, fmt.Sprintf("The metrics of %s could not be read: %v", r.ID, err))
				continue
			}
			if len(rows) == 0 {
				o.notes = append(o.notes, fmt.Sprintf("%s has no metrics.", r.ID))
				continue
			}
			o.take(r, rows)
		}
		out = append(out, o)
	}
	return out
}

// take sorts one run's rows into curves.
func (o *observed) take(r *record.Run, rows []record.Metric) {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b record.Metric) int { return cmp.Compare(a.Step, b.Step) })
	model := map[string]curve{}
	byLayer := map[string]map[string]*curve{} // by metric, then layer
	var names []string
	broken := map[string]int{} // values by metric
	for _, row := range rows {
		if !finite(row.Value) {
			broken[row.Name]++
		}
		if row.Aggregate() {
			continue
		}
		if row.Layer == "" {
			c := model[row.Name]
			c.add(row.Step, row.Value)
			model[row.Name] = c
			continue
		}
		if byLayer[row.Name] == nil {
			byLayer[row.Name] = map[string]*curve{}
		}
		c := byLayer[row.Name][row.Layer]
		if c == nil {
			c = new(curve)
			byLayer[row.Name][row.Layer] = c
			if !slices.Contains(names, row.Layer) {
				names = append(names, row.Layer)
			}
		}
		c.add(row.Step, row.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		o.notes = append(o.notes, fmt.Sprintf("%s of %s in %s: not finite, and left out of the charts.", count(broken[name], "value", "values"), name, r.ID))
	}
	for name, curves := range byLayer {
		if compared(name) {
			var list []curve
			for _, c := range curves { // in any order: a median does not depend on it
				list = append(list, *c)
			}
			o.seeds[name] = append(o.seeds[name], pool(list))
		}
	}
	for _, name := range []string{"train_loss", "eval_adapt_loss", "eval_base_loss", "eval_loss", "total_rank"} {
		if c, ok := model[name]; ok {
			o.seeds[name] = append(o.seeds[name], c)
		}
	}
	if r != o.run {
		return
	}
	o.layers = layersOf(names)
	o.model = model
	o.byLayer = map[string][]curve{}
	for name, curves := range byLayer {
		list := make([]curve, len(o.layers))
		for i, l := range o.layers {
			if c := curves[l.name]; c != nil {
				list[i] = *c
			}
		}
		o.byLayer[name] = list
	}
}

// compared reports whether a layer metric is drawn for all methods together.
func compared(name string) bool {
	for _, c := range comparisons {
		if c.metric == name {
			return true
		}
	}
	return false
}

// bySteps gathers the finite values of several curves at every step.
func bySteps(curves []curve) map[float64][]float64 {
	at := map[float64][]float64{}
	for _, c := range curves {
		for i, step := range c.steps {
			if finite(c.values[i]) {
				at[step] = append(at[step], c.values[i])
			}
		}
	}
	return at
}

// pool is the median of several curves at every step.
func pool(curves []curve) curve {
	at := bySteps(curves)
	var c curve
	for step := range at {
		c.steps = append(c.steps, step)
	}
	slices.Sort(c.steps)
	for _, step := range c.steps {
		c.values = append(c.values, median(at[step]))
	}
	return c
}

// layersOf reads place and kind out of the adapters' names,
// "model.layers.3.self_attn.q_proj", and puts them in depth order.
func layersOf(names []string) []layer {
	out := make([]layer, len(names))
	depths := make(map[string]int, len(names))
	seen := map[[2]string]int{}
	for i, name := range names {
		parts := strings.Split(name, ".")
		l := layer{name: name, kind: parts[len(parts)-1]}
		depths[name] = -1
		for _, p := range parts[:len(parts)-1] {
			if n, err := strconv.Atoi(p); err == nil && n >= 0 {
				l.place, depths[name] = p, n
			}
		}
		seen[[2]string{l.place, l.kind}]++
		out[i] = l
	}
	for i := range out {
		if seen[[2]string{out[i].place, out[i].kind}] > 1 || out[i].place == "" {
			out[i].place = strings.TrimSuffix(strings.TrimSuffix(out[i].name, out[i].kind), ".")
		}
	}
	slices.SortStableFunc(out, func(a, b layer) int { return cmp.Compare(depths[a.name], depths[b.name]) })
	return out
}

// kinds lists the kinds of maps in the order of the first layers.
func (o *observed) kinds() []string {
	var out []string
	for _, l := range o.layers {
		if !slices.Contains(out, l.kind) {
			out = append(out, l.kind)
		}
	}
	return out
}

// places lists the layers' places in depth order.
func (o *observed) places() []string {
	var out []string
	for _, l := range o.layers {
		if !slices.Contains(out, l.place) {
			out = append(out, l.place)
		}
	}
	return out
}
