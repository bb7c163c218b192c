package update

import (
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// LoRAFA keeps A as it started and trains B with AdamW (LoRA-FA, arXiv
// 2308.03303).
//
// With Project the gradient of B is first projected ([RowProjection]); the
// paper only freezes. With PEFT the rule is that of PEFT's
// create_lorafa_optimizer: it projects, its Adam has eps 1e-6 ahead of the
// bias correction ([optim.AdamHF]), and what decays is the weight after the
// step.
type LoRAFA struct {
	Project bool
	PEFT    bool
}

func (LoRAFA) Needs() []adapter.Capability    { return []adapter.Capability{adapter.TrainedPair} }
func (LoRAFA) Provides() []adapter.Capability { return nil }
func (LoRAFA) Freezes() []string              { return []string{"A"} }

func (u LoRAFA) Transform(weightDecay float64) optim.Transform {
	var then optim.Transform = optim.AdamW(weightDecay)
	if u.PEFT {
		then = optim.Chain{optim.AdamHF{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6}, optim.DecayAfter{Weight: weightDecay}}
	}
	then = optim.Except{Role: "A", Then: then}
	if u.Project || u.PEFT {
		return optim.Chain{RowProjection{}, then}
	}
	return then
}
