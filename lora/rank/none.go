// Package rank holds the schedules: how the ranks of the maps change while a
// run trains, within factors that are allocated once.
package rank

import (
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// None leaves every rank as it is.
type None struct{}

func (None) Needs() []adapter.Capability    { return nil }
func (None) Provides() []adapter.Capability { return nil }

func (None) Plan(maps []*adapter.Map, _ int, _ func(string) *rand.Rand) (adapter.Plan, error) {
	return fixed(maps), nil
}

type fixed []*adapter.Map

func (fixed) Before(int)              {}
func (fixed) After(int)               {}
func (fixed) Phase(int) int           { return 1 }
func (fixed) Buffers() []optim.Buffer { return nil }

func (f fixed) Ranks() []int {
	ranks := make([]int, len(f))
	for i, m := range f {
		ranks[i] = m.Rank
	}
	return ranks
}
