package verify

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// The recorded training: AdamW at PyTorch's defaults on the mean squared error.
const (
	trainRate  = 1e-2
	trainDecay = 0.01
)

// train takes as many steps as losses are recorded, but the last, which stands
// after the last step.
func (v *variant) train() {
	if len(v.Losses) == 0 && !v.tensors.has("y_final") {
		return
	}
	target, err := v.tensors.shaped("target", v.out)
	if err == nil && len(v.Losses) < 2 {
		err = fmt.Errorf("%s.json: %d losses: must be one before each step and one after the last", v.recording.name, len(v.Losses))
	}
	if err != nil {
		v.fail("losses", err)
		return
	}
	c := &nn.Context{Tape: ag.NewTape()}
	y := v.forward(c)
	loss := c.Run(ag.NewMeanSquare(y, target))
	o := optim.New(v.set.Method.Update.Transform(trainDecay), v.set.Groups())
	var losses []float32
	for range len(v.Losses) - 1 {
		losses = append(losses, ag.Floats(loss)[0])
		o.ZeroGrad()
		if err := c.Backward(loss); err != nil {
			v.fail("losses", err)
			return
		}
		o.Step(trainRate)
		c.Replay()
	}
	v.rows.near("losses", append(losses, ag.Floats(loss)[0]), float32s(v.Losses), Losses)
	for _, p := range v.parts {
		if p.trained {
			v.tensors.near(v.rows, v.tensors.first(p.under("final")...), p.Floats(), p.shape, Finals)
		}
	}
	v.tensors.near(v.rows, "y_final", ag.Floats(y), v.out, trainedValues)
}

// trainedValues is the tolerance of outputs after a training trace, which sum
// up weights that are off by as much as [Finals] allows.
var trainedValues = Tolerance{Abs: 1e-3, Rel: 1e-3}
