package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// Muon moves each factor by the orthogonal matrix nearest to its momentum
// (K. Jordan et al., Muon: an optimizer for hidden layers in neural networks,
// 2024, kellerjordan.github.io/posts/muon): [Orthogonalize] after SGD's
// momentum, 0.95 and Nesterov's there. It acts on A and B each by itself, and
// on the full weight where that is what is trained; what is no such matrix
// goes by AdamW.
//
// All singular directions of a factor move alike, however small one is: at
// rank 1 the rule is normalised gradient descent.
type Muon struct {
	Momentum float64
	Nesterov bool
	Steps    int
	MatchRMS bool
}

func (Muon) Needs() []adapter.Capability    { return nil }
func (Muon) Provides() []adapter.Capability { return nil }
func (Muon) Freezes() []string              { return nil }

func (u Muon) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{muon{u}, optim.Decay{Weight: weightDecay}}
}

// Check refuses a momentum that grows without end, and a number of steps that
// is none.
func (u Muon) Check() error {
	switch {
	case !(u.Momentum >= 0 && u.Momentum < 1):
		return fmt.Errorf("update: Muon: momentum is %v: must be in 0..1, below 1", u.Momentum)
	case u.Steps < 0 || u.Steps > 100:
		return fmt.Errorf("update: Muon: steps is %d: must be in 0..100", u.Steps)
	}
	return nil
}

// muon is the transform without decay.
type muon struct{ Muon }

func (t muon) Init(g *optim.Group) optim.State {
	var matrices []string
	for _, role := range []string{"A", "B", "W"} {
		if g.Role(role) != nil {
			matrices = append(matrices, role)
		}
	}
	return optim.Partition{
		Roles: matrices,
		Then:  optim.Chain{optim.Momentum{Mu: t.Momentum, Nesterov: t.Nesterov}, Orthogonalize{t.Steps, t.MatchRMS}},
		Rest:  optim.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8},
	}.Init(g)
}
