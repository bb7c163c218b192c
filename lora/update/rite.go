package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// LoRARITE is an adaptive rule whose change of the weight is the same for
// every split of the product B·A (LoRA Done RITE: Robust Invariant
// Transformation Equilibration for LoRA Optimization, arXiv 2410.20625,
// algorithm 1): see [rite]. The paper and its code take betas (0.9, 0.999) and
// eps 1e-6. Other factors go by AdamW, and weights decay as they do there.
//
// EscapedMass is the paper's, off by default in the authors' PyTorch code. That
// code also has two guards, which are invariant as well. It leaves out gradients
// of a factor whose root mean square, unmagnified, is above 1: Skip is that bound,
// 0 none. And it clips the norm of the unmagnified gradients of all adapters
// together at 1: Clip, 0 for none. A trainer's clipping of the factors' gradients,
// ahead of the rule, is not invariant.
type LoRARITE struct {
	Beta1, Beta2 float64
	Eps          float64
	EscapedMass  bool
	Skip         float64
	Clip         float64
}

func (LoRARITE) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.TrainedPair, adapter.Product, adapter.Static}
}
func (LoRARITE) Provides() []adapter.Capability { return nil }
func (LoRARITE) Freezes() []string              { return nil }

func (u LoRARITE) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{
		optim.Partition{Roles: []string{"A", "B"}, Then: rite{u, new(pool)}, Rest: optim.Adam{Beta1: u.Beta1, Beta2: u.Beta2, Eps: 1e-8}},
		optim.Decay{Weight: weightDecay},
	}
}

// Check refuses betas that make no mean, and bounds that are none.
func (u LoRARITE) Check() error {
	switch {
	case !(u.Eps > 0 && u.Eps <= 1):
		return fmt.Errorf("update: LoRARITE: eps is %v: must be above 0 and at most 1", u.Eps)
	case !(u.Skip >= 0 && u.Skip <= 1e6):
		return fmt.Errorf("update: LoRARITE: skip is %v: must be in 0..1e6", u.Skip)
	}
	if err := checkClip("LoRARITE", u.Clip); err != nil {
		return err
	}
	return checkBetas("LoRARITE", u.Beta1, u.Beta2)
}
