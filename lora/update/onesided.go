package update

import (
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// OneSided keeps B as it started and trains A with AdamW: MiCA (arXiv
// 2604.01694), whose B has directions that the base uses least.
type OneSided struct{}

func (OneSided) Needs() []adapter.Capability    { return []adapter.Capability{adapter.TrainedPair} }
func (OneSided) Provides() []adapter.Capability { return nil }
func (OneSided) Freezes() []string              { return []string{"B"} }

func (OneSided) Transform(weightDecay float64) optim.Transform {
	return optim.Except{Role: "B", Then: optim.AdamW(weightDecay)}
}
