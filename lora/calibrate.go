package lora

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// Gradients are gradients of full weights, out×in, by the name of the module.
type Gradients map[string][]float32

// Of returns the gradient of a map's weight, or nil.
func (g Gradients) Of(m *adapter.Map) []float32 { return g[m.Name] }

// Moments are what entered the maps, and the gradients of what left them, by
// the name of the module.
type Moments map[string]*adapter.Moments

// Of returns the moments of a map, or nil.
func (x Moments) Of(m *adapter.Map) *adapter.Moments { return x[m.Name] }

// Calibrate returns the mean gradient of the loss for the weight of each
// target over so many batches. The function loss runs batch i, from 0,
// forward and backward; it must build its graph in the first call, not before,
// since the targets, and they alone, are trained while Calibrate runs. The
// model must have no adapters, and is left as it was.
func Calibrate(model nn.Model, targets Targets, batches int, loss func(batch int) error) (Gradients, error) {
	c, err := calibrate(model, targets, batches)
	if err != nil {
		return nil, err
	}
	defer c.end()
	if err := c.run(loss, func() error { return nil }); err != nil { // gradients add up
		return nil, err
	}
	g := Gradients{}
	for _, l := range c.targets {
		sum := l.W.GradFloats()
		if sum == nil {
			return nil, fmt.Errorf("lora: calibration left no gradient on %s", l.Name)
		}
		mean := make([]float32, len(sum))
		for i, x := range sum {
			mean[i] = x / float32(batches)
		}
		g[l.Name] = mean
	}
	return g, nil
}

// CalibrateMoments returns the moments of what enters each target over so many
// batches and, where run goes backward too, those of the gradients of its
// outputs. The function run runs batch i, from 0; it must build its graph in the
// first call, not before. The model must have no adapters, and is left as it
// was. Tables, whose rows are one-hot, have no moments.
//
// All targets are held at once, in²·16 bytes for those with an input of their
// own; maps that read one tensor, as a query, a key and a value do, share.
func CalibrateMoments(model nn.Model, targets Targets, batches int, run func(batch int) error) (Moments, error) {
	return moments(model, targets, 0, batches, run)
}

// CalibrateComponents is [CalibrateMoments] of at least k principal components
// alone, a small part of the time and memory, for maps of so many inputs that k are
// few; of the others it returns all moments. Their number is [Method.Components].
func CalibrateComponents(model nn.Model, targets Targets, k, batches int, run func(batch int) error) (Moments, error) {
	if k < 1 {
		return nil, fmt.Errorf("lora: %d principal components: must be at least 1", k)
	}
	return moments(model, targets, k, batches, run)
}

func moments(model nn.Model, targets Targets, k, batches int, run func(batch int) error) (Moments, error) {
	c, err := calibrate(model, targets, batches)
	if err != nil {
		return nil, err
	}
	defer c.end()
	var all []*watch
	for _, l := range c.targets {
		if l.Kind == nn.Table {
			continue
		}
		w := &watch{Linear: l, components: k}
		l.Adapter = w
		defer func() { l.Adapter = nil }()
		all = append(all, w)
	}
	if err := c.run(run, func() error { return observe(all) }); err != nil {
		return nil, err
	}
	moments := Moments{}
	for _, w := range all {
		if moments[w.Name], err = w.moments(batches); err != nil {
			return nil, err
		}
	}
	return moments, nil
}

// CalibrationBytes returns about how much memory the gradients of the targets and
// the moments of what enters them, or so many components of it if that is not 0, take
// while they are collected.
func CalibrationBytes(model nn.Model, targets Targets, gradients, moments bool, components int) (int64, error) {
	selected, err := targets.Select(model.Linears())
	if err != nil {
		return 0, err
	}
	var n int64
	for _, l := range selected {
		if gradients {
			n += 8 * int64(l.Out) * int64(l.In) // what adds up, and its mean
		}
		switch { // or less, for maps that share an input
		case !moments || l.Kind == nn.Table:
		case few(components, l.In):
			n += 4 * int64(l.In) * int64(components+spare)
		default:
			n += 16 * int64(l.In) * int64(l.In)
		}
	}
	return n, nil
}

// A calibration is a model whose targets alone are trained for a while.
type calibration struct {
	targets []*nn.Linear
	batches int
	undo    []func()
}

func calibrate(model nn.Model, targets Targets, batches int) (*calibration, error) {
	if batches < 1 {
		return nil, fmt.Errorf("lora: %d calibration batches: must be at least 1", batches)
	}
	selected, err := targets.Select(model.Linears())
	if err != nil {
		return nil, err
	}
	for _, l := range selected {
		if l.Adapter != nil {
			return nil, fmt.Errorf("lora: %s has an adapter: calibrate before it is injected", l.Name)
		}
	}
	c := &calibration{targets: selected, batches: batches}
	for _, p := range model.Params() {
		trained := p.RequiresGrad()
		p.SetRequiresGrad(false)
		c.undo = append(c.undo, func() { p.SetRequiresGrad(trained) })
	}
	for _, l := range selected {
		l.W.SetRequiresGrad(true)
		l.W.ZeroGrad()
		c.undo = append(c.undo, l.W.ZeroGrad)
	}
	return c, nil
}

func (c *calibration) end() {
	for i := len(c.undo) - 1; i >= 0; i-- {
		c.undo[i]()
	}
}

// run runs the batches, and after each of them then.
func (c *calibration) run(batch func(int) error, then func() error) error {
	for i := range c.batches {
		err := batch(i)
		if err == nil {
			err = then()
		}
		if err != nil {
			return fmt.Errorf("lora: calibration batch %d: %w", i, err)
		}
	}
	return nil
}

// A watch stands in the place of a map's adapter and keeps hold of what goes
// in and out while the graph is built.
type watch struct {
	*nn.Linear
	tape       *ag.Tape
	passes     []pass // of the last graph
	inputs     *sums  // shared by the maps that read the same tensors
	components int    // that are wanted; 0: all moments
	rows       int
	output     []float64 // 1×out: Σ δ²; nil before the first gradient
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
	if v, ok := y.Value().(*ag.Variable); ok {
		v.Retain()
	}
	if w.tape != c.Tape { // a new graph
		w.tape, w.passes = c.Tape, nil
	}
	w.passes = append(w.passes, pass{c, x, y})
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

// sums are over the rows that entered maps, in float64.
type sums struct {
	of             *watch // the first of the maps
	rows           int
	mean           []float64
	second, scaled []float64  // in×in
	leading        *reduction // instead of them, or nil
}

func newSums(w *watch) *sums {
	if few(w.components, w.In) {
		return &sums{of: w, leading: newReduction(w.In, w.components)}
	}
	square := func() []float64 { return make([]float64, w.In*w.In) }
	return &sums{of: w, mean: make([]float64, w.In), second: square(), scaled: square()}
}

// add adds the rows of a batch: some of them at a time in float32, all of them in
// float64.
func (s *sums) add(passes []pass) error {
	n := s.of.In
	var rows []float32
	for _, p := range passes {
		m, n := ag.Dims(p.x)
		for _, row := range p.unpadded(m, n, ag.Floats(p.x)) {
			rows = append(rows, row...)
		}
	}
	s.rows += len(rows) / n
	if s.leading != nil {
		return s.leading.add(rows)
	}
	largest := math.Inf(-1)
	for row := range slices.Chunk(rows, n) {
		for j, v := range row {
			s.mean[j] += float64(v)
			largest = max(largest, float64(v))
		}
	}
	c := 1.0
	if largest != 0 && !math.IsInf(largest, 0) {
		c = 1 / (largest * largest)
	}
	const few = 512 // rows, whose sums lose some 1e-6 in float32
	square := make([]float32, n*n)
	for block := range slices.Chunk(rows, few*n) {
		for at := range strips(n) { // what is right of the diagonal, and a little more
			kernels.MatMul(kernels.TN, false, min(strip, n-at), n-at, len(block)/n, block[at:], n, block[at:], n, square[at*n+at:], n)
		}
		kernels.Parallel(n, func(i int) {
			for j := i*n + i; j < (i+1)*n; j++ {
				v := float64(square[j])
				s.second[j] += v
				s.scaled[j] += c * v
			}
		})
	}
	return nil
}

// strip is how many columns of rows are multiplied by all that follow.
const strip = 256

// strips yields the first column of each strip of n.
func strips(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < n; at += strip {
			if !yield(at) {
				return
			}
		}
	}
}

// mirror copies what is right of the diagonal of x, n×n, to its left.
func mirror(x []float64, n int) {
	for i := range n {
		for j := range i {
			x[i*n+j] = x[j*n+i]
		}
	}
}

// unpadded returns the rows of x, m×n, that are no padding.
func (p pass) unpadded(m, n int, x []float32) [][]float32 {
	c := p.c
	tokens := m == c.Batch*c.Tokens && c.Tokens > 0 // and not, say, one row a sequence
	var rows [][]float32
	for i := range m {
		if tokens && c.First != nil && i%c.Tokens < c.First[i/c.Tokens] || tokens && c.End != nil && i%c.Tokens >= c.End[i/c.Tokens] {
			continue
		}
		rows = append(rows, x[i*n:(i+1)*n])
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
