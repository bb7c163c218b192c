package rank

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// Follow has the base follow the product: from the part Begin of the steps on,
// every change of s·B·A moves the base by Ratio times as much (Delta-LoRA, arXiv
// 2309.02411, equation 6). The paper takes ratio 2 and begins after 500 steps.
//
// The changes telescope to Ratio·s·(B·A − B_K·A_K), of rank 2·r at most. With
// Begin 0 the forward pass is that of plain LoRA at (1 + Ratio)·s, while the
// factors' gradients are those at s, which Adam divides out but for its eps.
// Every step writes and packs all bases anew.
type Follow struct {
	Ratio float64
	Begin float64
}

func (Follow) Needs() []adapter.Capability    { return Fold{}.Needs() }
func (Follow) Provides() []adapter.Capability { return nil }

// Check refuses numbers that move nothing.
func (s Follow) Check() error {
	switch {
	case !(s.Ratio > 0 && s.Ratio <= 1e3):
		return fmt.Errorf("rank: Follow: ratio is %v: must be above 0 and at most 1000", s.Ratio)
	case !(s.Begin >= 0 && s.Begin < 1):
		return fmt.Errorf("rank: Follow: begin is %v of the steps: must be in 0..1, below 1", s.Begin)
	}
	return nil
}

// Plan starts the schedule.
func (s Follow) Plan(maps []*adapter.Map, steps int, _ func(string) *rand.Rand) (adapter.Plan, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	for _, m := range maps {
		m.OwnBase()
	}
	return &following{fixed: maps, Follow: s, first: int(math.Round(s.Begin*float64(steps))) + 1}, nil
}

// following is Follow at work. What it has done is in the bases alone.
type following struct {
	fixed
	Follow
	first int // step whose change the base follows
}

func (p *following) Before(step int) {
	if step != p.first {
		return
	}
	for _, m := range p.fixed { // what the product is now, the base does not follow
		t := m.Pair()
		kernels.Scale(-float32(p.Ratio), ag.Floats(t.B))
		m.Fold(t)
	}
}

func (p *following) After(step int) {
	if step < p.first {
		return
	}
	for _, m := range p.fixed {
		m.Follow(float32(p.Ratio))
	}
}

func (*following) Buffers() []optim.Buffer { return nil }
