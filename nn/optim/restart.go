package optim

import (
	"math"
	"slices"

	"github.com/lowrank/lowrank/kernels"
)

// Restart applies a transform whose memory is pruned at the first step of
// every cycle of Every steps but the first: of each buffer only the share Keep
// of the largest magnitudes survives, the rest becomes zero (ReLoRA:
// High-Rank Training Through Low-Rank Updates, arXiv 2307.05695, section 3,
// which keeps 1% of Adam's moments; 0 forgets all). As there, the step that
// corrects Adam's bias counts on. Updates of the first Warmup steps of those
// cycles grow to their size as τ/(Warmup+1) at the step τ of the cycle, which
// makes any schedule of the learning rate jagged.
//
// What the weights do at the start of a cycle is for a schedule.
type Restart struct {
	Then   Transform
	Every  int
	Warmup int
	Keep   float64
}

// Init makes the state of the transform.
func (t Restart) Init(g *Group) State {
	s := &restartState{rule: t, State: t.Then.Init(g)}
	s.memory = s.Buffers()
	longest := 0
	for _, b := range s.memory {
		longest = max(longest, len(b.Values))
	}
	s.sorted = make([]float32, longest)
	return s
}

type restartState struct {
	State
	rule   Restart
	memory []Buffer
	sorted []float32
}

func (s *restartState) Step(g *Group, c Clock) {
	first, at := c.Step <= s.rule.Every, (c.Step-1)%s.rule.Every+1
	if !first && at == 1 {
		for _, b := range s.memory {
			s.prune(b.Values)
		}
	}
	s.State.Step(g, c)
	if !first && at <= s.rule.Warmup {
		for _, p := range g.Params {
			kernels.Scale(float32(at)/float32(s.rule.Warmup+1), p.Update)
		}
	}
}

// prune sets all values to zero but the largest.
func (s *restartState) prune(x []float32) {
	keep := int(math.Ceil(s.rule.Keep * float64(len(x))))
	if keep == 0 {
		clear(x)
		return
	}
	sorted := s.sorted[:len(x)]
	for i, v := range x {
		sorted[i] = max(v, -v)
	}
	slices.Sort(sorted)
	least := sorted[len(x)-keep]
	for i, v := range x {
		if max(v, -v) < least {
			x[i] = 0
		}
	}
}
