package probe

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/geometry"
)

// No matrix of the size of a weight is formed in tiers 0 to 2: all that the first
// measurement, which makes the scratch and finds W0's leading subspace, allocates is less
// than a quarter of one in float32.
func TestNothingOfAWeightsSize(t *testing.T) {
	const side = 4096
	m := newMap(t, delta.LoRA{}, nil, side, side, 8)
	train := newRun(m)
	train.backward()
	p := New([]*adapter.Map{m})
	train.lend(p)
	geometry.Subspaces(m.W0(), side, side, 8, rand.New(rand.NewPCG(1, 2))) // what the kernels pack into is theirs to keep
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p.Before(1)
	train.descend(0.1)
	rows, err := p.After(1, Tier0|Tier1|Tier2)
	runtime.ReadMemStats(&after)
	if err != nil || len(rows) == 0 {
		t.Fatal(len(rows), err)
	}
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(4*side*side/4); got > most {
		t.Errorf("tiers 0 to 2 of a %d×%d map allocate %d bytes: must be at most %d", side, side, got, most)
	}
}
