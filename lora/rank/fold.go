package rank

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// Fold trains in Cycles phases of equal length. At the end of each but the last
// it puts the share Share of the product s·B·A into the base and takes it out of
// B, so that the function stays. Where all of it goes, A is drawn anew, uniformly
// within ±1/√in, and the change of the weight can have a rank of Cycles·r.
//
// With Share 1 this is ReLoRA's merge (arXiv 2307.05695, algorithm 1) and the
// knot of Chain of LoRA (arXiv 2401.04151); with less, PeriodicLoRA's unloading
// with momentum (arXiv 2402.16141). LoRAFactory unloads 0.1 in every step, and
// keeps (1 − 0.1)² of the product where 1 − 0.1 is left, as it scales both
// factors: a slip that is not followed.
type Fold struct {
	Cycles int
	Share  float64
}

func (Fold) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.TrainedPair, adapter.Product, adapter.Additive, adapter.Static}
}
func (Fold) Provides() []adapter.Capability { return nil }

// Check refuses numbers that make no cycle.
func (s Fold) Check() error {
	switch {
	case s.Cycles < 2:
		return fmt.Errorf("rank: Fold: cycles is %d: must be at least 2, or nothing is folded", s.Cycles)
	case !(s.Share > 0 && s.Share <= 1):
		return fmt.Errorf("rank: Fold: share is %v: must be above 0 and at most 1", s.Share)
	}
	return nil
}

// Plan starts the schedule. It errs where the steps are fewer than the cycles.
func (s Fold) Plan(maps []*adapter.Map, steps int, rand func(name string) *rand.Rand) (adapter.Plan, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if steps < s.Cycles {
		return nil, fmt.Errorf("rank: Fold: %d steps are fewer than %d cycles", steps, s.Cycles)
	}
	for _, m := range maps {
		m.OwnBase()
	}
	return &folding{fixed: maps, Fold: s, steps: steps, rand: rand}, nil
}

// folding is Fold at work. What it has done is in the bases alone.
type folding struct {
	fixed
	Fold
	steps int
	rand  func(name string) *rand.Rand
}

// end returns the last step of a cycle, of which the first is 1.
func (p *folding) end(cycle int) int { return cycle * p.steps / p.Cycles }

// cycle returns the one that a step belongs to.
func (p *folding) cycle(step int) int {
	c := 1
	for c < p.Cycles && step > p.end(c) {
		c++
	}
	return c
}

func (p *folding) Phase(step int) int { return p.end(p.cycle(step)-1) + 1 }

func (p *folding) After(step int) {
	c := p.cycle(step)
	if c == p.Cycles || step != p.end(c) {
		return
	}
	for _, m := range p.fixed {
		part, b := m.Pair(), m.Factor("B").Floats()
		kernels.Scale(float32(p.Share), ag.Floats(part.B))
		for i, x := range ag.Floats(part.B) {
			b[i] -= x
		}
		m.Fold(part)
		if p.Share == 1 {
			draw(m.Factor("A").Floats(), 1/math.Sqrt(float64(m.In)), p.rand("fold/"+strconv.Itoa(c)+"/"+m.Name))
		}
	}
}

// draw fills x uniformly within ±most.
func draw(x []float32, most float64, rng *rand.Rand) {
	for i := range x {
		x[i] = float32(most * (2*rng.Float64() - 1))
	}
}

func (*folding) Buffers() []optim.Buffer { return nil }
