package verify

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// penalty compares what the adapter adds to the objective, and its gradients,
// where PEFT's are recorded.
func (v *variant) penalty() {
	const name = "extra.kasa_reg"
	if !v.tensors.has(name) {
		return
	}
	c := &nn.Context{Tape: ag.NewTape()}
	v.adapter().Delta.Form(c, v.adapter())
	var weights []float32
	var values []ag.Tensor
	for _, l := range c.Losses {
		weights, values = append(weights, l.Weight), append(values, l.Value)
	}
	sum := c.Run(ag.NewSum(weights, values...))
	v.tensors.near(v.rows, name, ag.Floats(sum), []int{1}, Values)
	if err := c.Backward(sum); err != nil {
		v.fail(name, err)
		return
	}
	for _, p := range v.parts {
		if p.trained {
			v.tensors.near(v.rows, v.tensors.first(p.under(name+"_grad")...), p.GradFloats(), p.shape, Values)
		}
		p.ZeroGrad()
	}
}

// truncated compares a start that takes noise out of the base, which follows
// from the base alone, and draws the factors.
func (s *start) truncated() {
	m := s.set.Maps[0]
	s.tensors.near(s.rows, "init."+layerName+".base_layer.weight", s.stored(m.Base.Floats()), s.w, Values)
	s.Deterministic = nil
	s.laws()
}
