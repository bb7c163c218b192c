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
// of Adam's moments). The two moments that Adam has of an entry survive together,
// by the size of the first: pruned apart, as in the authors' code, an entry whose
// second moment alone is gone steps by m/Eps where it has no gradient, as A has
// none while B is zero. As there, the step that corrects Adam's bias counts on. Of
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
	return &restartState{rule: t, State: t.Then.Init(g)}
}

type restartState struct {
	State
	rule Restart
}

// clock is that of the transform.
func (s *restartState) clock(c Clock) Clock {
	if s.rule.Keep == 0 {
		c.Step -= c.Phase - 1
	}
	return c
}

func (s *restartState) Prepare(g *Group, c Clock) { prepare(s.State, g, s.clock(c)) }

func (s *restartState) Step(g *Group, c Clock) {
	first, at := c.Phase <= 1, c.Step-c.Phase+1
	if !first && at == 1 {
		prune(s.State, s.rule.Keep)
	}
	s.State.Step(g, s.clock(c))
	if !first && at <= s.rule.Warmup {
		for _, p := range g.Params {
			kernels.Scale(float32(at)/float32(s.rule.Warmup+1), p.Update)
		}
	}
}

// A pruner is a State that knows which of its values belong together.
type pruner interface{ prune(keep float64) }

// prune keeps a share of what a state remembers, the largest.
func prune(s State, keep float64) {
	if p, ok := s.(pruner); ok {
		p.prune(keep)
		return
	}
	for _, b := range s.Buffers() {
		least := threshold(b.Values, keep)
		for i, v := range b.Values {
			if !(max(v, -v) >= least) {
				b.Values[i] = 0
			}
		}
	}
}

// threshold returns the smallest magnitude of the share of x that is kept; NaN,
// which none reaches, of a share of 0.
func threshold(x []float32, keep float64) float32 {
	n := int(math.Ceil(keep * float64(len(x))))
	if n == 0 {
		return float32(math.NaN())
	}
	sorted := make([]float32, len(x))
	for i, v := range x {
		sorted[i] = max(v, -v)
	}
	slices.Sort(sorted)
	return sorted[len(x)-n]
}
