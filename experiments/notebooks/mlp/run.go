package mlp

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// A Run trains a method's adapters on a problem.
type Run struct {
	Set   *lora.Set
	Probe *probe.Probe // of all maps, from the start on

	tape  *ag.Tape
	fit   ag.Tensor // the loss
	loss  ag.Tensor // and what the method adds to it
	opt   *optim.Optimizer
	plan  adapter.Plan
	taken int // steps
}

// Start injects a method into a copy of the network, for a run of so many steps.
// The gradients that some methods start from are those of all samples.
func (p *Problem) Start(method lora.Method, opt lora.Options, steps int) (*Run, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	n := p.network()
	if method.Needs(adapter.FullGradient) {
		g, err := method.Calibrate(n, nil, 1, p.backward(n))
		if err != nil {
			return nil, err
		}
		opt.Gradient = g.Of
	}
	set, err := lora.Inject(n, method, opt)
	if err != nil {
		return nil, err
	}
	r := &Run{Set: set, Probe: probe.New(set.Maps)}
	if r.plan, err = set.Plan(steps); err != nil {
		return nil, err
	}
	r.tape, r.fit, r.loss = p.graph(n)
	r.opt = optim.New(method.Update.Transform(0), set.Groups())
	half := p.Samples / 2
	r.Probe.Lab = &probe.Lab{
		Forward:  func() error { r.tape.Replay(); return nil },
		Backward: r.backward,
		Halves:   [2]probe.Half{{Examples: half, Labels: half}, {Examples: p.Samples - half, Labels: p.Samples - half}},
	}
	return r, nil
}

// Gradients returns the gradient of the loss for each weight of the network as
// it is, by the name of the map: map1 is the first.
func (p *Problem) Gradients() (lora.Gradients, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	n := p.network()
	return lora.Calibrate(n, nil, 1, p.backward(n))
}

// backward returns what a calibration of the network runs.
func (p *Problem) backward(n *network) func(batch int) error {
	return func(int) error {
		tape, _, loss := p.graph(n)
		return tape.Backward(loss)
	}
}

// graph builds the loss, alone and with what the parts of a method add.
func (p *Problem) graph(n *network) (tape *ag.Tape, fit, loss ag.Tensor) {
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: p.Samples}
	y := n.build(c, ag.NewVariable(p.Samples, p.Maps[0].In, p.X))
	_, out := ag.Dims(y)
	fit = c.Run(ag.NewSum([]float32{float32(out) / 2}, c.Run(ag.NewMeanSquare(y, p.Y))))
	weights, terms := []float32{1}, []ag.Tensor{fit}
	for _, l := range c.Losses {
		weights, terms = append(weights, l.Weight), append(terms, l.Value)
	}
	return c.Tape, fit, c.Run(ag.NewSum(weights, terms...))
}

// Loss is that of the factors as they were in the last pass: after a step, as
// they are now.
func (r *Run) Loss() float64 { return float64(ag.Floats(r.fit)[0]) }

func (r *Run) backward() error {
	r.opt.ZeroGrad()
	return r.tape.Backward(r.loss)
}

// Step takes a step at a learning rate and returns what the probe measures of it
// in the tiers that are due. Rows are valid until the next call.
func (r *Run) Step(lr float64, due probe.Tiers) ([]probe.Row, error) {
	if err := r.backward(); err != nil {
		return nil, err
	}
	r.taken++
	if due != 0 {
		r.Probe.Before(r.taken)
	}
	adapter.Step(r.plan, r.opt, r.taken, lr)
	r.tape.Replay()
	if due == 0 {
		return nil, nil
	}
	return r.Probe.After(r.taken, due)
}

// Measure returns what the probe measures of the factors before the first step.
func (r *Run) Measure(due probe.Tiers) ([]probe.Row, error) { return r.Probe.After(0, due) }
