package update

import (
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// AdaLomo updates each matrix by itself with a factored second moment and a
// step that follows the weight's size (arXiv 2310.10195): [optim.AdaLomo]. It
// is a rule for full weights; a factor that starts at zero moves by a thousandth
// of the learning rate at first. LoRAFactory's warm starts of LoRA-DA and GoRA
// run it at the learning rate 1e-5.
type AdaLomo struct{}

func (AdaLomo) Needs() []adapter.Capability    { return nil }
func (AdaLomo) Provides() []adapter.Capability { return nil }
func (AdaLomo) Freezes() []string              { return nil }

func (AdaLomo) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{optim.AdaLomo{}, optim.Decay{Weight: weightDecay}}
}
