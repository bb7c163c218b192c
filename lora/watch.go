package lora

import (
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// A watch stands in the place of a map's adapter and keeps hold of what goes
// in and out while the graph is built.
type watch struct {
	*nn.Linear
	tape       *ag.Tape     // of the graph that was built last
	places     *[]pass      // in it
	passes     []pass       // in the graph that ran last
	inputs     *sums        // shared by the maps that read the same tensors
	components int          // that are wanted; 0: all moments
	shift      *ag.Variable // 1×out of zeros, trained, whose graph reaches every output; nil: components alone
	rows       int
	output     []float64 // 1×out: Σ δ²; nil before the first gradient
}

func newWatch(l *nn.Linear, components int) *watch {
	w := &watch{Linear: l, components: components}
	if !few(components, l.In) {
		w.shift = ag.NewParameter(1, l.Out, nil)
	}
	return w
}

// A pass is one place of a map in the graph.
type pass struct {
	c    *nn.Context
	x, y ag.Tensor
}

func (w *watch) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	w.Adapter = nil
	y := w.Linear.Forward(c, x)
	w.Adapter = w
	if w.shift != nil { // so that gradients come this far, of a weight that is frozen
		y = c.Run(ag.NewAddBias(y, w.shift))
		if v, ok := y.Value().(*ag.Variable); ok {
			v.Retain()
		}
	}
	if w.tape != c.Tape { // a new graph
		w.tape, w.places = c.Tape, new([]pass)
	}
	c.Own(x) // it is read when the pass is over
	places := w.places
	*places = append(*places, pass{c, x, y})
	c.Do(func() { w.passes = *places })
	return y
}

func (w *watch) Lookup(*nn.Context, []int32) ag.Tensor { panic("lora: a table is not watched") }

// observe adds what a batch has left in the graph to the sums.
func observe(all []*watch) error {
	var leaders []*watch // of the maps that read the same tensors
	for _, w := range all {
		if len(w.passes) == 0 {
			return fmt.Errorf("%s is not part of the graph", w.Name)
		}
		leader := w
		if i := slices.IndexFunc(leaders, w.readsAs); i >= 0 {
			leader = leaders[i]
		}
		switch {
		case w.inputs == nil && leader == w:
			w.inputs = newSums(w)
		case w.inputs == nil:
			w.inputs = leader.inputs
		case w.inputs.of != leader:
			return fmt.Errorf("%s reads what %s reads, and did not in the batches before", w.Name, leader.Name)
		}
		if leader == w {
			leaders = append(leaders, w)
			if err := w.inputs.add(w.passes); err != nil {
				return fmt.Errorf("what enters %s: %w", w.Name, err)
			}
		}
		w.addOutputs()
	}
	return nil
}

// readsAs reports whether two maps read the same tensors.
func (w *watch) readsAs(other *watch) bool {
	return slices.EqualFunc(w.passes, other.passes, func(p, q pass) bool { return p.x == q.x })
}

// unpadded returns the rows of x, m×n, that are no padding.
func (p pass) unpadded(m, n int, x []float32) [][]float32 {
	var rows [][]float32
	for i := range m {
		if !p.c.Padded(i, m) {
			rows = append(rows, x[i*n:(i+1)*n])
		}
	}
	return rows
}

// addOutputs adds the squares of the outputs' gradients, where there are any.
func (w *watch) addOutputs() {
	for _, p := range w.passes {
		v, ok := p.y.Value().(*ag.Variable)
		if !ok || v.GradFloats() == nil {
			continue
		}
		if w.output == nil {
			w.output = make([]float64, w.Out)
		}
		for _, row := range p.unpadded(v.Rows(), v.Cols(), v.GradFloats()) {
			w.rows++
			for j, d := range row {
				w.output[j] += float64(d) * float64(d)
			}
		}
		v.ZeroGrad() // a batch that runs forward alone must not find it again
	}
}

// moments returns the means.
func (w *watch) moments(batches int) (*adapter.Moments, error) {
	s := w.inputs
	if s.rows == 0 {
		return nil, fmt.Errorf("lora: calibration saw nothing but padding enter %s", w.Name)
	}
	if s.of == w && s.leading == nil { // once
		for i := range s.mean {
			s.mean[i] /= float64(s.rows)
		}
		mirror(s.second, w.In)
		mirror(s.scaled, w.In)
		for i := range s.second {
			s.second[i] /= float64(s.rows)
			s.scaled[i] /= float64(batches)
			if math.IsNaN(s.second[i]) || math.IsInf(s.second[i], 0) {
				return nil, fmt.Errorf("lora: calibration saw what is not finite enter %s", w.Name)
			}
		}
	}
	for j := range w.output {
		w.output[j] /= float64(w.rows)
	}
	if s.leading != nil {
		c, err := s.leading.components()
		if err != nil {
			return nil, fmt.Errorf("lora: calibration: what enters %s: %w", w.Name, err)
		}
		return &adapter.Moments{Rows: s.rows, Mean: s.leading.mean, Output: w.output, Leading: c}, nil
	}
	return &adapter.Moments{Rows: s.rows, Mean: s.mean, Second: s.second, Scaled: s.scaled, Output: w.output}, nil
}
