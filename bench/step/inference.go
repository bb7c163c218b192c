package step

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// Inference returns a function that runs a model forward on the batch of a
// seed. A graph that was built once runs again, as one that trains does.
func Inference(s Shape, model nn.Model, seed uint64) (func(), error) {
	tape := ag.NewTape()
	c, _ := s.context(seed, tape, model.Task())
	c.Sparing = true
	var logits ag.Tensor
	if err := ag.Guard(func() { logits = model.Forward(c) }); err != nil {
		return nil, err
	}
	return func() {
		tape.Replay()
		ag.Floats(logits) // which are made when they are asked for
	}, nil
}
