package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// Restarts is what ReLoRA does to AdamW (arXiv 2307.05695, section 3): every
// Every steps all but the share Keep of its moments, the largest, become zero,
// and the learning rate warms up again over Warmup steps: [optim.Restart]. The
// paper keeps 0.01; LoRAFactory's "fully" keeps 0.001, at random.
//
// It is half of ReLoRA. The other is a rank schedule with the same Every that
// after each such step folds the product into the base and starts A and B anew;
// alone, this rule is AdamW with warm restarts.
type Restarts struct {
	Every  int
	Warmup int
	Keep   float64
}

func (Restarts) Needs() []adapter.Capability    { return nil }
func (Restarts) Provides() []adapter.Capability { return nil }
func (Restarts) Freezes() []string              { return nil }

func (u Restarts) Transform(weightDecay float64) optim.Transform {
	return optim.Restart{Then: optim.AdamW(weightDecay), Every: u.Every, Warmup: u.Warmup, Keep: u.Keep}
}

// Check refuses numbers that make no cycle.
func (u Restarts) Check() error {
	switch {
	case u.Every < 1:
		return fmt.Errorf("update: Restarts: every is %d: must be at least 1 step", u.Every)
	case u.Warmup < 0 || u.Warmup >= u.Every:
		return fmt.Errorf("update: Restarts: warmup is %d of cycles of %d steps: must be from 0 to one less", u.Warmup, u.Every)
	case !(u.Keep >= 0 && u.Keep <= 1):
		return fmt.Errorf("update: Restarts: keep is %v: must be in 0..1", u.Keep)
	}
	return nil
}
