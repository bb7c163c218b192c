package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// Restarts is AdamW that forgets when a schedule begins a new phase, as ReLoRA
// has it (arXiv 2307.05695, section 3): all but the share Keep of its moments,
// the largest, become zero, and the learning rate warms up again over Warmup
// steps: [optim.Restart]. The paper keeps 0.01 and warms up over 50 steps of
// cycles of thousands; LoRAFactory's "fully" keeps 0.001, at random. With 0 it is
// a new AdamW in every phase, as Chain of LoRA has it (arXiv 2401.04151). Under a schedule without phases it is AdamW.
type Restarts struct {
	Warmup int
	Keep   float64
}

func (Restarts) Needs() []adapter.Capability    { return nil }
func (Restarts) Provides() []adapter.Capability { return nil }
func (Restarts) Freezes() []string              { return nil }

func (u Restarts) Transform(weightDecay float64) optim.Transform {
	return optim.Restart{Then: optim.AdamW(weightDecay), Warmup: u.Warmup, Keep: u.Keep}
}

// Check refuses numbers that make no restart.
func (u Restarts) Check() error {
	switch {
	case u.Warmup < 0:
		return fmt.Errorf("update: Restarts: warmup is %d: must be at least 0 steps", u.Warmup)
	case !(u.Keep >= 0 && u.Keep <= 1):
		return fmt.Errorf("update: Restarts: keep is %v: must be in 0..1", u.Keep)
	}
	return nil
}
