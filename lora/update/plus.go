package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// LoRAPlus is AdamW with the learning rate of B Ratio times that of A (LoRA+,
// arXiv 2402.12354, section 4). The paper takes 16. The weight decay of B is
// multiplied with its learning rate, as in PyTorch's parameter groups; all
// other factors go with A.
//
// With PEFT they are grouped as PEFT's create_loraplus_optimizer does
// ([PEFTPlus]): vectors go with B, and biases and norms do not decay.
type LoRAPlus struct {
	Ratio float64
	PEFT  bool
}

func (LoRAPlus) Needs() []adapter.Capability    { return []adapter.Capability{adapter.TrainedPair} }
func (LoRAPlus) Provides() []adapter.Capability { return nil }
func (LoRAPlus) Freezes() []string              { return nil }

func (u LoRAPlus) Transform(weightDecay float64) optim.Transform {
	if u.PEFT {
		return optim.Chain{optim.AdamW(0), PEFTPlus{Decay: weightDecay, Ratio: u.Ratio}}
	}
	return append(optim.AdamW(weightDecay), optim.ScaleRole{Role: "B", Factor: u.Ratio})
}

// Check refuses a ratio that is no ratio of learning rates.
func (u LoRAPlus) Check() error {
	if !(u.Ratio > 0 && u.Ratio <= 1e6) {
		return fmt.Errorf("update: LoRAPlus: ratio is %v: must be above 0 and at most 1e6", u.Ratio)
	}
	return nil
}
