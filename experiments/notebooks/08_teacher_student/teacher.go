package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// A teacher is a linear map W0 + ΔW, with ΔW of low rank, seen through noise:
// samples of inputs whose directions differ in strength, and what it makes of
// them.
type teacher struct {
	out, in, samples, rank int

	w0, x, y []float32
	inputs   *mat.Dense // X
	outputs  *mat.Dense // Y
	start    float64    // loss of W0
	optimum  float64    // lowest loss of W0 plus a matrix of the rank
}

// newTeacher draws a teacher whose ΔW has half the size of W0.
func newTeacher(out, in, samples, rank int, seed uint64) *teacher {
	rng := rand.New(rand.NewPCG(seed, 1))
	normal := func(rows, cols int, scale func(j int) float64) *mat.Dense {
		d := mat.NewDense(rows, cols, nil)
		for i := range rows {
			for j := range cols {
				d.Set(i, j, scale(j)*rng.NormFloat64())
			}
		}
		return d
	}
	even := func(int) float64 { return 1 }
	decaying := func(power float64) func(int) float64 {
		return func(j int) float64 { return math.Pow(float64(j+1), -power) }
	}
	var w0, change, w mat.Dense
	w0.Mul(normal(out, in, decaying(0.7)), normal(in, in, even))
	change.Mul(normal(out, rank, even), normal(rank, in, even))
	w0.Scale(math.Sqrt(float64(out))/mat.Norm(&w0, 2), &w0)
	change.Scale(0.5*mat.Norm(&w0, 2)/mat.Norm(&change, 2), &change)
	w.Add(&w0, &change)

	x := normal(samples, in, decaying(0.5))
	var y mat.Dense
	y.Mul(x, w.T())
	const noise = 0.1
	y.Apply(func(_, _ int, v float64) float64 { return v + noise*rng.NormFloat64() }, &y)
	t := &teacher{out: out, in: in, samples: samples, rank: rank, w0: narrow(&w0), x: narrow(x), y: narrow(&y), inputs: x, outputs: &y}
	t.start, t.optimum = t.solve(&w0)
	return t
}

// solve returns the loss of a base and the lowest one of the base plus a matrix
// of the rank: that of reduced-rank regression, the least squares fit of what the
// base leaves without the smallest singular values of its outputs.
func (t *teacher) solve(base *mat.Dense) (start, optimum float64) {
	var left, d, fit, rest mat.Dense
	left.Mul(t.inputs, base.T())
	left.Sub(t.outputs, &left)
	if err := d.Solve(t.inputs, &left); err != nil {
		panic(err) // more samples than inputs, of full rank
	}
	fit.Mul(t.inputs, &d)
	rest.Sub(&left, &fit)
	var svd mat.SVD
	if !svd.Factorize(&fit, mat.SVDNone) {
		panic("no singular values")
	}
	sum := mat.Norm(&rest, 2) * mat.Norm(&rest, 2)
	for _, s := range svd.Values(nil)[t.rank:] {
		sum += s * s
	}
	return mat.Norm(&left, 2) * mat.Norm(&left, 2) / float64(2*t.samples), sum / float64(2*t.samples)
}

// reachable is the optimum of a method: that of the base which its start leaves.
func (t *teacher) reachable(method lora.Method, seed uint64) (float64, error) {
	_, set, _, err := t.adapt(method, seed)
	if err != nil || !set.Maps[0].OwnsBase() {
		return t.optimum, err
	}
	base := mat.NewDense(t.out, t.in, nil)
	for i, v := range set.Maps[0].Base.Floats() {
		base.Set(i/t.in, i%t.in, float64(v))
	}
	_, optimum := t.solve(base)
	return optimum, nil
}

func narrow(m *mat.Dense) []float32 {
	raw := m.RawMatrix()
	f := make([]float32, len(raw.Data))
	for i, v := range raw.Data {
		f[i] = float32(v)
	}
	return f
}

// A student is a model of one linear map.
type student struct{ *nn.Linear }

func (s student) Linears() []*nn.Linear         { return []*nn.Linear{s.Linear} }
func (s student) Forward(*nn.Context) ag.Tensor { panic("a student has no tokens") }
func (s student) Check(*nn.Context) error       { return nil }
func (s student) Task() nn.Task                 { return nn.Features }
func (s student) Clone() nn.Model               { panic("a student is not cloned") }
func (s student) Params() []nn.Param {
	return []nn.Param{{Name: s.Name + ".weight", Variable: s.W, Shape: []int{s.Out, s.In}}}
}

// lesson builds ½·‖X·W'ᵀ − Y‖²/samples, and with what the parts add to it.
func (t *teacher) lesson(s student) (tape *ag.Tape, loss, all ag.Tensor) {
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: t.samples}
	y := s.Linear.Forward(c, ag.NewVariable(t.samples, t.in, t.x))
	loss = c.Run(ag.NewSum([]float32{float32(t.out) / 2}, c.Run(ag.NewMeanSquare(y, t.y))))
	weights, terms := []float32{1}, []ag.Tensor{loss}
	for _, l := range c.Losses {
		weights, terms = append(weights, l.Weight), append(terms, l.Value)
	}
	return c.Tape, loss, c.Run(ag.NewSum(weights, terms...))
}

// adapt injects a method into a new student; passes is how many passes over the
// samples its start has taken.
func (t *teacher) adapt(method lora.Method, seed uint64) (s student, set *lora.Set, passes int, err error) {
	s = student{nn.NewLinear("map", t.out, t.in, append([]float32(nil), t.w0...))}
	opt := lora.Options{Rank: t.rank, Alpha: float64(t.rank), Seed: seed}
	pass := func(int) error {
		tape, _, all := t.lesson(s)
		return tape.Backward(all)
	}
	if method.Needs(adapter.FullGradient) {
		g, err := method.Calibrate(s, nil, 1, pass)
		if err != nil {
			return s, nil, 0, err
		}
		opt.Gradient, passes = g.Of, 1
	}
	if method.Needs(adapter.Activations) || method.Needs(adapter.OutputGradients) {
		m, err := lora.CalibrateMoments(s, nil, 1, pass)
		if err != nil {
			return s, nil, 0, err
		}
		opt.Moments, passes = m.Of, 1
	}
	set, err = lora.Inject(s, method, opt)
	return s, set, passes, err
}

// steps returns how many steps at a learning rate take a student to a loss, passes
// of its start counted; +Inf where most are too few.
func (t *teacher) steps(method lora.Method, lr float64, seed uint64, target float64, most int) (float64, error) {
	s, set, passes, err := t.adapt(method, seed)
	if err != nil {
		return 0, err
	}
	plan, err := set.Plan(most)
	if err != nil {
		return 0, err
	}
	tape, loss, all := t.lesson(s)
	opt := optim.New(method.Update.Transform(0), set.Groups())
	for step := 1; step <= most-passes; step++ {
		now := float64(ag.Floats(loss)[0])
		if now <= target {
			return float64(step - 1 + passes), nil
		}
		if !(now < 100*t.start) { // it diverges
			break
		}
		opt.ZeroGrad()
		if err := tape.Backward(all); err != nil {
			return 0, err
		}
		adapter.Step(plan, opt, step, lr)
		tape.Replay()
	}
	return math.Inf(1), nil
}
