package moe

import (
	"fmt"
	"math/rand/v2"
	"sort"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// MoLA gives the maps of each layer their own number of experts, and mixes
// for each token the TopK with the largest gates (arXiv 2402.08562). PerLayer
// is the mean over the layers. An expert has rank ⌈r/PerLayer⌉ everywhere, so
// that all patterns have the same parameters in all. Where a layer has fewer
// experts than TopK, all of them are used.
//
// The objective gains Balance times the Switch loss E·Σ_i f_i·P_i for each
// map, f_i the share of tokens that use expert i and P_i its mean softmax.
type MoLA struct {
	PerLayer int
	TopK     int
	Pattern  Pattern
	Balance  float64
}

// A Pattern says where in the depth of a model the experts are: how many each
// quarter of the layers has of every 20, in the paper's four models.
type Pattern int

const (
	Rectangle Pattern = iota // 5-5-5-5
	Triangle                 // 8-6-4-2
	Inverted                 // 2-4-6-8
	Hourglass                // 8-2-2-8
)

var quarters = [...][4]int{
	Rectangle: {5, 5, 5, 5},
	Triangle:  {8, 6, 4, 2},
	Inverted:  {2, 4, 6, 8},
	Hourglass: {8, 2, 2, 8},
}

func (MoLA) Needs() []adapter.Capability    { return []adapter.Capability{adapter.Gated} }
func (MoLA) Provides() []adapter.Capability { return nil }

// Check refuses numbers that make no router.
func (r MoLA) Check() error {
	if r.TopK < 1 {
		return fmt.Errorf("moe: top-k is %d: must be at least 1", r.TopK)
	}
	if r.Pattern < 0 || int(r.Pattern) >= len(quarters) {
		return fmt.Errorf("moe: pattern is %d: must be 0 (rectangle), 1 (triangle), 2 (inverted) or 3 (hourglass)", r.Pattern)
	}
	return check(r.PerLayer, r.Balance)
}

// Layers returns the number of experts in each of so many layers: at least
// one, together layers·PerLayer, and in proportion to the pattern up to
// rounding. Layer l belongs to quarter ⌊4l/layers⌋.
func (r MoLA) Layers(layers int) []int {
	weights := quarters[r.Pattern]
	total := 0
	for l := range layers {
		total += weights[4*l/layers]
	}
	counts := make([]int, layers)
	order := make([]int, layers)
	missing := make([]float64, layers) // what rounding took from a layer
	left := layers * r.PerLayer
	for l := range layers {
		share := float64(layers*r.PerLayer) * float64(weights[4*l/layers]) / float64(total)
		counts[l] = max(1, int(share))
		missing[l] = share - float64(counts[l])
		left -= counts[l]
		order[l] = l
	}
	sort.SliceStable(order, func(i, j int) bool { return missing[order[i]] > missing[order[j]] })
	for i := 0; left > 0; i++ {
		counts[order[i%layers]]++
		left--
	}
	for i := layers - 1; left < 0; i = (i + layers - 1) % layers { // the minimum of one took too many
		if l := order[i]; counts[l] > 1 {
			counts[l]--
			left++
		}
	}
	return counts
}

func (r MoLA) Experts(m *adapter.Map) int { return r.Layers(m.Layers)[m.Layer] }

func (r MoLA) Rank(m *adapter.Map, rank int) int {
	return r.Experts(m) * perExpert(rank, r.PerLayer)
}

func (r MoLA) Factors(m *adapter.Map) []adapter.Spec   { return gateFactors(m, r.Experts(m)) }
func (MoLA) Start(maps []*adapter.Map, rng *rand.Rand) { startGates(maps, rng) }

func (r MoLA) Gates(c *nn.Context, m *adapter.Map, x ag.Tensor) ag.Tensor {
	experts := r.Experts(m)
	if experts == 1 {
		return nil
	}
	k := min(r.TopK, experts)
	z := c.Run(ag.NewLinear(x, m.Factor(gate)))
	addBalance(c, r.Balance, z, k)
	return c.Run(ag.NewTopKSoftmax(z, k))
}
