package lora

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// Calibrate returns what a method that needs FullGradient starts from: the mean
// gradient over so many batches, as [Calibrate] does, or what [WarmUp] returns where
// the initializer is an [adapter.Warmer].
func (m Method) Calibrate(model nn.Model, targets Targets, batches int, loss func(batch int) error) (Gradients, error) {
	w, ok := m.Initial.(adapter.Warmer)
	if !ok {
		return Calibrate(model, targets, batches, loss)
	}
	rule, lr := w.WarmUp()
	return WarmUp(model, targets, batches, rule, lr, loss)
}

// WarmUp trains the weights of the targets, and them alone, by a step of a rule with
// each of so many batches, and returns what each has lost, W0 − W: for a rule
// that descends, the sum of its steps. The function loss runs batch i, from 0, forward
// and backward, as for [Calibrate]. The model must have no adapters, and is left as it
// was, bit for bit, also on an error. It takes 16 bytes a weight.
func WarmUp(model nn.Model, targets Targets, batches int, rule optim.Transform, lr float64, loss func(batch int) error) (Gradients, error) {
	c, err := calibrate(model, targets, batches)
	if err != nil {
		return nil, err
	}
	defer c.end()
	var groups []*optim.Group
	start := map[*ag.Variable][]float32{}
	for _, l := range c.targets {
		if start[l.W] != nil {
			continue // one tensor of two maps
		}
		l.Repack() // a trained weight is not read from there
		l.W.SetRequiresGrad(true)
		l.W.TakeGrad()
		c.undo = append(c.undo, func() { l.W.TakeGrad() })
		values := l.W.Values()
		start[l.W] = append([]float32(nil), l.W.Floats()...) // float32 from here on
		defer func() {
			if values.Stored != nil {
				l.W.SetValues(values)
			} else {
				copy(l.W.Floats(), start[l.W])
			}
		}()
		groups = append(groups, &optim.Group{
			Name: l.Name, Scaling: 1,
			Params: []*optim.Param{{Name: l.Name, Role: "W", Value: l.W}},
		})
	}
	o := optim.New(rule, groups)
	step := func() error {
		for _, l := range c.targets {
			if !l.W.HasGrad() {
				return fmt.Errorf("%s has no gradient", l.Name)
			}
		}
		o.Step(lr)
		o.ZeroGrad()
		return nil
	}
	if err := c.run(loss, step); err != nil {
		return nil, err
	}
	fall := Gradients{}
	for _, l := range c.targets {
		lost := append([]float32(nil), start[l.W]...)
		for i, w := range l.W.Floats() {
			lost[i] -= w
		}
		fall[l.Name] = lost
	}
	return fall, nil
}
