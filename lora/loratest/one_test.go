package loratest

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// one is a model of one linear map.
type one struct{ *nn.Linear }

func (o one) Linears() []*nn.Linear         { return []*nn.Linear{o.Linear} }
func (o one) Forward(*nn.Context) ag.Tensor { panic("a map has no tokens") }
func (o one) Check(*nn.Context) error       { return nil }
func (o one) Task() nn.Task                 { return nn.Features }
func (o one) Clone() nn.Model               { panic("a map is not cloned") }
func (o one) Params() []nn.Param {
	return []nn.Param{{Name: o.Name + ".weight", Variable: o.W, Shape: []int{o.Out, o.In}}}
}

// normal draws from N(0, std²).
func normal(seed uint64, n int, std float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 7))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(std * rng.NormFloat64())
	}
	return x
}

// A regression is one map that learns to be another one: ½·‖X·W'ᵀ − Y‖²/rows.
type regression struct {
	model one
	set   *lora.Set
	tape  *ag.Tape
	loss  ag.Tensor // without what the parts add
	all   ag.Tensor
	opt   *optim.Optimizer
	plan  adapter.Plan
	taken int
}

// A shape is what a regression is made of.
type shape struct {
	out, in, rank int
	alpha         float64
	steps         int
	seed          uint64
}

const samples = 32

func (s shape) build(model one) (*ag.Tape, ag.Tensor, []nn.Loss) {
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: samples}
	x := ag.NewVariable(samples, s.in, normal(2, samples*s.in, 1))
	target := normal(3, samples*s.out, 1)
	y := c.Run(ag.NewMeanSquare(model.Linear.Forward(c, x), target))
	return c.Tape, c.Run(ag.NewSum([]float32{float32(s.out) / 2}, y)), c.Losses
}

// calibrated returns the options of a method, with what it needs of calibration.
func (s shape) calibrated(model one, method lora.Method) (lora.Options, error) {
	opt := lora.Options{Rank: s.rank, Alpha: s.alpha, Seed: s.seed}
	pass := func(int) error {
		tape, loss, _ := s.build(model)
		return tape.Backward(loss)
	}
	if method.Needs(adapter.FullGradient) {
		g, err := method.Calibrate(model, nil, 1, pass)
		if err != nil {
			return opt, err
		}
		opt.Gradient = g.Of
	}
	if method.Needs(adapter.Activations) || method.Needs(adapter.OutputGradients) {
		m, err := lora.CalibrateMoments(model, nil, 1, pass)
		if err != nil {
			return opt, err
		}
		opt.Moments = m.Of
	}
	return opt, nil
}

// regress adapts the map by a method. A start, if not nil, changes the factors.
func (s shape) regress(method lora.Method, start func(m *adapter.Map)) (*regression, error) {
	r := &regression{model: one{nn.NewLinear("lin", s.out, s.in, normal(1, s.out*s.in, 0.3))}}
	opt, err := s.calibrated(r.model, method)
	if err != nil {
		return nil, err
	}
	if r.set, err = lora.Inject(r.model, method, opt); err != nil {
		return nil, err
	}
	if start != nil {
		start(r.set.Maps[0])
	}
	if r.plan, err = r.set.Plan(s.steps); err != nil {
		return nil, err
	}
	err = ag.Guard(func() {
		var losses []nn.Loss
		r.tape, r.loss, losses = s.build(r.model)
		weights, terms := []float32{1}, []ag.Tensor{r.loss}
		for _, l := range losses {
			weights, terms = append(weights, l.Weight), append(terms, l.Value)
		}
		r.all = r.tape.Run(ag.NewSum(weights, terms...))
	})
	r.opt = optim.New(method.Update.Transform(0), r.set.Groups())
	return r, err
}

// backward makes the gradients at the present factors.
func (r *regression) backward() error {
	r.opt.ZeroGrad()
	r.tape.Replay()
	return r.tape.Backward(r.all)
}

// step takes one step.
func (r *regression) step(lr float64) error {
	if err := r.backward(); err != nil {
		return err
	}
	r.taken++
	adapter.Step(r.plan, r.opt, r.taken, lr)
	return nil
}

// weight returns W'.
func (r *regression) weight() (*mat.Dense, error) {
	m := r.set.Maps[0]
	w, err := m.Merged()
	return dense(m.Out, m.In, w), err
}

// walk takes all steps and returns the change of W' since the first.
func (s shape) walk(method lora.Method, lr float64, start func(m *adapter.Map)) (*mat.Dense, error) {
	r, err := s.regress(method, start)
	if err != nil {
		return nil, err
	}
	before, err := r.weight()
	if err != nil {
		return nil, err
	}
	for range s.steps {
		if err := r.step(lr); err != nil {
			return nil, err
		}
	}
	after, err := r.weight()
	if err != nil {
		return nil, err
	}
	after.Sub(after, before)
	return after, nil
}

func dense(rows, cols int, x []float32) *mat.Dense {
	d := mat.NewDense(rows, cols, nil)
	for i := range x {
		d.Set(i/cols, i%cols, float64(x[i]))
	}
	return d
}

// apart is the distance of two matrices over the size of the first.
func apart(x, y *mat.Dense) float64 {
	var d mat.Dense
	d.Sub(x, y)
	return mat.Norm(&d, 2) / mat.Norm(x, 2)
}

// multiply sets a factor to p·f, p square, from the left, or f·p from the right.
func multiply(f *adapter.Factor, p *mat.Dense, left bool) {
	var d mat.Dense
	if x := dense(f.Rows(), f.Cols(), f.Floats()); left {
		d.Mul(p, x)
	} else {
		d.Mul(x, p)
	}
	for i := range f.Floats() {
		f.Floats()[i] = float32(d.At(i/f.Cols(), i%f.Cols()))
	}
}

// spread gives the factors A and B random values of one size.
func spread(m *adapter.Map) {
	copy(m.Factor("A").Floats(), normal(4, m.Rank*m.In, 0.3))
	copy(m.Factor("B").Floats(), normal(5, m.Out*m.Rank, 0.3))
}

// unadapted returns the model with the weight as it was.
func unadapted(r *regression) one {
	l := r.model.Linear
	return one{nn.NewLinear(l.Name, l.Out, l.In, append([]float32(nil), r.set.Maps[0].W0()...))}
}
