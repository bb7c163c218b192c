package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// SGD updates each factor by itself by gradient descent, with momentum as
// PyTorch has it: the yardstick that theory is written for. Its change of the
// weight depends on how the product B·A is split, but to first order it keeps
// the balance A·Aᵀ − BᵀB.
type SGD struct {
	Momentum float64
	Nesterov bool
}

func (SGD) Needs() []adapter.Capability    { return nil }
func (SGD) Provides() []adapter.Capability { return nil }
func (SGD) Freezes() []string              { return nil }

func (u SGD) Transform(weightDecay float64) optim.Transform {
	if u.Momentum == 0 {
		return optim.Decay{Weight: weightDecay}
	}
	return optim.Chain{optim.Momentum{Mu: u.Momentum, Nesterov: u.Nesterov}, optim.Decay{Weight: weightDecay}}
}

// Check refuses a momentum that grows without end, and a Nesterov step
// without one.
func (u SGD) Check() error {
	switch {
	case !(u.Momentum >= 0 && u.Momentum < 1):
		return fmt.Errorf("update: SGD: momentum is %v: must be in 0..1, below 1", u.Momentum)
	case u.Nesterov && u.Momentum == 0:
		return fmt.Errorf("update: SGD: nesterov needs a momentum above 0")
	}
	return nil
}
