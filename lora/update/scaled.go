package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// ScaledGD is gradient descent on preconditioned gradients (Riemannian
// Preconditioned LoRA for Fine-Tuning Foundation Models, arXiv 2402.02347,
// equation 3): [Precondition]. The paper's analysis has damping 0, its code of
// GPT-2 1e-6. As Damping grows the rule becomes gradient descent at a learning
// rate divided by it.
type ScaledGD struct {
	Damping float64
}

func (ScaledGD) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.TrainedPair, adapter.Product, adapter.Static}
}
func (ScaledGD) Provides() []adapter.Capability { return nil }
func (ScaledGD) Freezes() []string              { return nil }

func (u ScaledGD) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{Precondition{u.Damping}, optim.Decay{Weight: weightDecay}}
}

// Check refuses a damping that is none.
func (u ScaledGD) Check() error { return checkDamping("ScaledGD", u.Damping) }

// ScaledAdamW is AdamW on preconditioned gradients (arXiv 2402.02347,
// algorithm 1), factor by factor: its moments are means over steps whose
// metrics differ. With Damping 0.01 it is PEFT's create_riemannian_optimizer
// of AdamW at its default; the paper's code has 1e-6 for GPT-2 and 4.5 in its
// script for Mistral.
//
// After a start from B = 0, BᵀB stays below such dampings for many steps: the
// preconditioner of A is then a number, which Adam divides out again.
type ScaledAdamW struct {
	Damping float64
}

func (ScaledAdamW) Needs() []adapter.Capability    { return ScaledGD{}.Needs() }
func (ScaledAdamW) Provides() []adapter.Capability { return nil }
func (ScaledAdamW) Freezes() []string              { return nil }

func (u ScaledAdamW) Transform(weightDecay float64) optim.Transform {
	return append(optim.Chain{Precondition{u.Damping}}, optim.AdamW(weightDecay)...)
}

// Check refuses a damping that is none.
func (u ScaledAdamW) Check() error { return checkDamping("ScaledAdamW", u.Damping) }

func checkDamping(rule string, damping float64) error {
	if !(damping >= 0 && damping <= 1e6) {
		return fmt.Errorf("update: %s: damping is %v: must be in 0..1e6", rule, damping)
	}
	return nil
}
