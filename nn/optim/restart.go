package optim

import (
	"math"
	"slices"

	"github.com/lowrank/lowrank/kernels"
)

// Restart applies a transform whose memory is pruned at the first step of every
// phase but the first ([Optimizer.Phase]): of each buffer only the share Keep of
// the largest magnitudes survives, the rest becomes zero (ReLoRA: High-Rank
// Training Through Low-Rank Updates, arXiv 2307.05695, section 3, which keeps 1%
// of Adam's moments). As there, the step that corrects Adam's bias counts on. Of
// a share of 0 nothing is left, and the step counts anew: it is a new optimizer.
// Updates of the first Warmup steps of those phases grow to their size
// as τ/(Warmup+1) at the step τ of the phase, which makes any schedule of the
// learning rate jagged.
type Restart struct {
	Then   Transform
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
	first, at := c.Phase <= 1, c.Step-c.Phase+1
	if !first && at == 1 {
		for _, b := range s.memory {
			s.prune(b.Values)
		}
	}
	then := c
	if s.rule.Keep == 0 {
		then.Step = at
	}
	s.State.Step(g, then)
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
