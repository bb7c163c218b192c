package update

import (
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// AdamW updates each factor by itself with AdamW (arXiv 1711.05101) at betas
// (0.9, 0.999) and eps 1e-8.
type AdamW struct{}

func (AdamW) Needs() []adapter.Capability    { return nil }
func (AdamW) Provides() []adapter.Capability { return nil }
func (AdamW) Freezes() []string              { return nil }

func (AdamW) Transform(weightDecay float64) optim.Transform { return optim.AdamW(weightDecay) }
