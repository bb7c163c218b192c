package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// Lion updates each factor by itself by the sign of its momentum (arXiv
// 2302.06675), with decoupled weight decay: [optim.Lion].
type Lion struct {
	Beta1, Beta2 float64
}

func (Lion) Needs() []adapter.Capability    { return nil }
func (Lion) Provides() []adapter.Capability { return nil }
func (Lion) Freezes() []string              { return nil }

func (u Lion) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{optim.Lion{Beta1: u.Beta1, Beta2: u.Beta2}, optim.Decay{Weight: weightDecay}}
}

// Check refuses betas that make no mean.
func (u Lion) Check() error { return checkBetas("Lion", u.Beta1, u.Beta2) }

// checkBetas refuses betas that make no mean.
func checkBetas(rule string, beta1, beta2 float64) error {
	if !(beta1 >= 0 && beta1 < 1) || !(beta2 >= 0 && beta2 < 1) {
		return fmt.Errorf("update: %s: beta1 is %v and beta2 %v: must be in 0..1, below 1", rule, beta1, beta2)
	}
	return nil
}
