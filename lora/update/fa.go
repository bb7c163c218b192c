package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// LoRAFA keeps A as it started and trains B with AdamW (arXiv 2308.03303).
//
// With Project the gradient of B first becomes gB·(A·Aᵀ)⁻¹/s², so that its
// change of the weight is g̃ = G·P_A, the projection of the full gradient on
// the row space of A. PEFT's optimizer of this name does so (and has an Adam
// with eps 1e-6 ahead of the bias correction); the paper only freezes.
type LoRAFA struct {
	Project bool
}

func (LoRAFA) Needs() []adapter.Capability    { return []adapter.Capability{adapter.TrainedPair} }
func (LoRAFA) Provides() []adapter.Capability { return nil }
func (LoRAFA) Freezes() []string              { return []string{"A"} }

func (u LoRAFA) Transform(weightDecay float64) optim.Transform {
	return frozenA{u.Project, optim.AdamW(weightDecay)}
}

// frozenA runs a transform on all parameters of a group but A.
type frozenA struct {
	project bool
	then    optim.Transform
}

func (t frozenA) Init(g *optim.Group) optim.State {
	a, b := g.Role("A"), g.Role("B")
	s := &frozenAState{}
	if t.project && b != nil {
		if a == nil {
			panic(fmt.Sprintf("update: LoRAFA: group %s has B but not A, which the projection reads", g.Name))
		}
		s.projection = newRowProjection(g.Scaling, a.Value.Rows(), b.Value.Rows())
	}
	s.trained = without(g, "A")
	s.then = t.then.Init(s.trained)
	return s
}

type frozenAState struct {
	projection *rowProjection
	trained    *optim.Group
	then       optim.State
}

func (s *frozenAState) Step(g *optim.Group, c optim.Clock) {
	a := g.Role("A")
	if s.projection != nil {
		s.projection.apply(a.Value.Floats(), g.Role("B").Update)
	}
	if a != nil {
		clear(a.Update)
	}
	s.then.Step(s.trained, c)
}

func (s *frozenAState) Buffers() []optim.Buffer { return s.then.Buffers() }

// without returns the group of the parameters that have none of the roles.
func without(g *optim.Group, roles ...string) *optim.Group {
	rest := &optim.Group{Name: g.Name, Scaling: g.Scaling}
next:
	for _, p := range g.Params {
		for _, r := range roles {
			if p.Role == r {
				continue next
			}
		}
		rest.Params = append(rest.Params, p)
	}
	return rest
}

// A rowProjection multiplies gradients of B by (A·Aᵀ)⁻¹/s² on the right.
type rowProjection struct {
	s       float64
	r, out  int
	eigen   gram.Eigen
	sa, inv []float64
	gbt     []float32
	columns []float64
}

func newRowProjection(s float32, r, out int) *rowProjection {
	return &rowProjection{
		s: float64(s), r: r, out: out,
		sa: make([]float64, r*r), inv: make([]float64, r*r),
		gbt: make([]float32, r*out), columns: make([]float64, gram.CombineScratch(r)),
	}
}

// apply rewrites gb, out×r, for A as it is now, r×in. Where A is rank
// deficient the pseudo-inverse stands for the inverse.
func (p *rowProjection) apply(a, gb []float32) {
	gram.Gram(p.sa, gram.Rows{N: p.r, Dim: len(a) / p.r, Data: a})
	p.eigen.Of(p.r, p.sa)
	p.eigen.Truncate()
	p.eigen.Inverse(p.inv)
	for i := range p.inv {
		p.inv[i] /= p.s * p.s
	}
	gram.Transpose(p.gbt, gb, p.out, p.r)
	rows := gram.Rows{N: p.r, Dim: p.out, Data: p.gbt}
	gram.Combine(p.gbt, p.inv, rows, nil, gram.Rows{}, p.columns)
	gram.Transpose(gb, p.gbt, p.r, p.out)
}
