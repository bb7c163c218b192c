package moe

import (
	"fmt"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// LoRAMoE gives every map PerLayer experts and mixes all of them by a dense
// softmax (arXiv 2312.09979). With E experts one has rank ⌈r/E⌉, all together
// E·⌈r/E⌉: the parameters of the plain adapter, and E·in for the gate.
//
// The objective gains Balance times E·Σ_i P_i² for each map, P_i the mean gate
// of expert i over the tokens: least, 1, where all are used alike. The paper's
// localized constraint, which wants to know the kind of task of each sample,
// becomes this balance where there is one kind.
type LoRAMoE struct {
	PerLayer int
	Balance  float64
}

func (LoRAMoE) Needs() []adapter.Capability    { return []adapter.Capability{adapter.Gated} }
func (LoRAMoE) Provides() []adapter.Capability { return nil }

// Check refuses numbers that make no router.
func (r LoRAMoE) Check() error { return check(r.PerLayer, r.Balance) }

func check(experts int, balance float64) error {
	if experts < 1 || experts > 1024 {
		return fmt.Errorf("moe: per-layer is %d: must be in 1..1024 experts", experts)
	}
	if !(balance >= 0 && balance <= 1e6) {
		return fmt.Errorf("moe: balance is %v: must be in 0..1e6", balance)
	}
	return nil
}

func (r LoRAMoE) Rank(_ *adapter.Map, rank int) int       { return r.PerLayer * perExpert(rank, r.PerLayer) }
func (r LoRAMoE) Experts(*adapter.Map) int                { return r.PerLayer }
func (r LoRAMoE) Factors(m *adapter.Map) []adapter.Spec   { return gateFactors(m, r.PerLayer) }
func (LoRAMoE) Start(maps []*adapter.Map, rng *rand.Rand) { startGates(maps, rng) }

func (r LoRAMoE) Gates(c *nn.Context, m *adapter.Map, x ag.Tensor) ag.Tensor {
	if r.PerLayer == 1 {
		return nil
	}
	z := c.Run(ag.NewLinear(x, m.Factor(gate)))
	addBalance(c, r.Balance, z, r.PerLayer)
	return c.Run(ag.NewSoftmax(z))
}
