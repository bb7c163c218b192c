package rank

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
)

// AdaLoRA starts with Ratio times the rank that is wanted, and prunes the
// least important components of all maps together until the mean rank is the
// wanted one (arXiv 2303.10512, algorithm 1).
//
// Component k of a map is row k of A, column k of B and, where the map has the
// factor "E", its entry E_k. It is pruned by setting E_k to zero, or without E
// the column of B. What is pruned keeps its gradient and may come back until
// the masks are frozen.
//
// The budget is the number of components in use: Σ r until step Begin·T, the
// target from step (1-End)·T on, a cubic in between (section 3.3). Masks are
// chosen every Every steps.
type AdaLoRA struct {
	Ratio float64 // start rank over target rank
	Begin float64 // the part of the steps before the first pruning
	End   float64 // the part of the steps after the last one, with frozen masks
	Every int     // steps from one mask to the next
	Beta1 float64 // of the moving average of the sensitivity
	Beta2 float64 // of that of its uncertainty

	// PostStep takes the sensitivity |w·g| from the weights after the step,
	// and not at the last mask, as PEFT does. The paper takes those at which
	// the gradient was computed.
	PostStep bool
}

func (AdaLoRA) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.TrainedPair, adapter.Static}
}
func (AdaLoRA) Provides() []adapter.Capability { return nil }

// StartRank returns the rank that maps should be built with for a wanted rank.
func (s AdaLoRA) StartRank(rank int) int { return max(1, int(math.Round(s.Ratio*float64(rank)))) }

// target returns the share of the target budget that falls to a map.
func (s AdaLoRA) target(rank int) int { return max(1, int(math.Round(float64(rank)/s.Ratio))) }

// Check refuses numbers that make no schedule.
func (s AdaLoRA) Check() error {
	fraction := func(x float64) bool { return x >= 0 && x <= 1 }
	switch {
	case !(s.Ratio > 1 && s.Ratio <= 1024):
		return fmt.Errorf("rank: AdaLoRA: ratio is %v: must be above 1 (and at most 1024), or nothing is pruned", s.Ratio)
	case !fraction(s.Begin) || !fraction(s.End) || s.Begin+s.End >= 1:
		return fmt.Errorf("rank: AdaLoRA: begin is %v and end %v of the steps: must be in 0..1 and leave steps between them to prune in", s.Begin, s.End)
	case s.Every < 1:
		return fmt.Errorf("rank: AdaLoRA: every is %d: must be at least 1 step", s.Every)
	case !(s.Beta1 >= 0 && s.Beta1 < 1) || !(s.Beta2 >= 0 && s.Beta2 < 1):
		return fmt.Errorf("rank: AdaLoRA: beta1 is %v and beta2 %v: must be in 0..1, below 1", s.Beta1, s.Beta2)
	}
	return nil
}

// Plan starts the schedule. It errs where the steps are so few that no step is
// left to prune in, or where no map has a rank to lose.
func (s AdaLoRA) Plan(maps []*adapter.Map, steps int, _ func(string) *rand.Rand) (adapter.Plan, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	p := &pruning{
		AdaLoRA: s,
		begin:   int(math.Round(s.Begin * float64(steps))),
		end:     steps - int(math.Round(s.End*float64(steps))),
	}
	p.observing = func(i int) { p.maps[i].observe(s.Beta1, s.Beta2) }
	p.scoring = func(i int) { p.maps[i].rate() }
	if p.begin >= p.end {
		return nil, fmt.Errorf("rank: AdaLoRA: begin %v and end %v of %d steps leave no step to prune in", s.Begin, s.End, steps)
	}
	for _, m := range maps {
		c, err := newComponents(m)
		if err != nil {
			return nil, err
		}
		p.maps = append(p.maps, c)
		p.total += m.Rank
		p.target += s.target(m.Rank)
	}
	if p.target >= p.total {
		return nil, fmt.Errorf("rank: AdaLoRA: the target of all maps together is rank %d, the start %d: nothing would be pruned", p.target, p.total)
	}
	return p, nil
}
