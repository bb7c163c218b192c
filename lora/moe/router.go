// Package moe holds the routers: what weighs the experts of a map for every
// token. The experts of a map are equal slices of its factors: A stacks their
// A_e, r_e×in, and B their B_e, out×r_e; with gates g, M×E,
//
//	y = x·W0ᵀ + b + s·Σ_e g_e·(x·A_eᵀ)·B_eᵀ
//
// A router's gates are a softmax over z = x·Wgᵀ, with Wg E×in the factor
// "gate", trained. It starts at N(0, 0.02²): nearly equal gates, whose
// gradients are alive, and no two the same. A map with one expert has no gate.
package moe

import (
	"hash/fnv"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// None is the router of methods that have none: one expert, always used. A
// map is better given no router at all, so that it can be merged.
type None struct{}

func (None) Needs() []adapter.Capability                          { return nil }
func (None) Provides() []adapter.Capability                       { return []adapter.Capability{adapter.Static} }
func (None) Rank(_ *adapter.Map, rank int) int                    { return rank }
func (None) Experts(*adapter.Map) int                             { return 1 }
func (None) Factors(*adapter.Map) []adapter.Spec                  { return nil }
func (None) Start([]*adapter.Map, *rand.Rand)                     {}
func (None) Gates(*nn.Context, *adapter.Map, ag.Tensor) ag.Tensor { return nil }

// gate is the factor's name.
const gate = "gate"

// gateFactors lists the factors of a router over so many experts.
func gateFactors(m *adapter.Map, experts int) []adapter.Spec {
	if experts == 1 {
		return nil
	}
	return []adapter.Spec{{Name: gate, Rows: experts, Cols: m.In, Trained: true}}
}

// gateStd is the standard deviation that gates start with.
const gateStd = 0.02

// startGates draws the gates of all maps, each from a stream of its own: a
// map's values do not depend on which other maps there are.
func startGates(maps []*adapter.Map, rng *rand.Rand) {
	seed := rng.Uint64()
	for _, m := range maps {
		f := m.Factor(gate)
		if f == nil {
			continue
		}
		name := fnv.New64a()
		name.Write([]byte(m.Name))
		own := rand.New(rand.NewPCG(seed, name.Sum64()))
		w := f.Floats()
		for i := range w {
			w[i] = float32(gateStd * own.NormFloat64())
		}
	}
}

// addBalance adds weight times the balance loss of the logits z, M×E, where
// each token uses k experts.
func addBalance(c *nn.Context, weight float64, z ag.Tensor, k int) {
	if weight != 0 {
		c.AddLoss("balance_loss", float32(weight), c.Run(ag.NewBalance(z, k)))
	}
}

// perExpert returns the rank of one expert: rank/experts, rounded up.
func perExpert(rank, experts int) int { return (rank + experts - 1) / experts }
