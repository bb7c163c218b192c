package verify

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// runOptimizer compares the training of two adapted maps by one rule: the first
// gradients, the weights after one step and after all of them, and the losses.
func runOptimizer(r *rows, rec *recording) {
	rule, err := rec.rule()
	if err != nil {
		r.refuse("", err)
		return
	}
	t, err := rec.open(tensorsExt)
	if err != nil {
		r.fail("", err)
		return
	}
	two, err := openTwoLayers(t)
	if err != nil {
		r.fail("", err)
		return
	}
	method, opt, err := rec.method(two)
	if err != nil {
		r.refuse("", err)
		return
	}
	if rule.update != nil {
		method.Update = rule.update
	}
	set, parts, err := adapted(two, method, opt, t)
	if err != nil {
		r.refuse("", err)
		return
	}
	if len(rec.Losses) < 2 {
		r.fail("losses", fmt.Errorf("%s.json: %d losses: must be one before each step and one after the last", rec.name, len(rec.Losses)))
		return
	}

	c := &nn.Context{Tape: ag.NewTape()}
	loss := c.Run(ag.NewMeanSquare(two.forward(c), two.target))
	o := optim.New(rule.transform, set.Groups())
	var losses []float32
	compare := func(prefix string, trained bool, values func(p part) []float32, tol Tolerance) {
		for _, p := range parts {
			name := t.first(p.under(prefix)...)
			if p.trained || !trained && t.has(name) {
				t.near(r, name, values(p), p.shape, tol)
			}
		}
	}
	for step := range len(rec.Losses) - 1 {
		losses = append(losses, ag.Floats(loss)[0])
		o.ZeroGrad()
		if err := c.Backward(loss); err != nil {
			r.fail("losses", err)
			return
		}
		if step == 0 {
			compare("grad0", true, func(p part) []float32 { return p.GradFloats() }, Values)
		}
		o.Step(rule.rate)
		if step == 0 {
			compare("after1", false, func(p part) []float32 { return p.Floats() }, oneStep)
		}
		c.Replay()
	}
	compare("final", false, func(p part) []float32 { return p.Floats() }, Finals)
	r.near("losses", append(losses, ag.Floats(loss)[0]), float32s(rec.Losses), Losses)
	t[0].rest(r)
}

// oneStep is the tolerance of weights after one step of a rule: Adam's goes by
// the sign of a gradient that may be mere rounding.
var oneStep = Tolerance{Abs: 5e-5}
