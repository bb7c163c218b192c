package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// AltLoRA moves one factor at a time by the projection of the full gradient on
// what that factor can change, with a momentum that is carried from subspace to
// subspace (AltLoRA: Towards Better Gradient Approximation in Low-Rank Adaptation
// with Alternating Projections, arXiv 2505.12455). While B stays,
//
//	a = (BᵀB + Damping·I)⁻¹·gA/s²    M = Beta·(BᵀB + Damping·I)⁻¹·Bᵀ·B₋·M + (1-Beta)·a
//
// where B₋ is B when A last moved, and A moves by M; B moves alike. Without
// damping the weight changes by P_B·G and by G·P_A in turn, the same for every
// split of the product B·A. B moves in the first step and every other. There is
// no second moment: learning rates are those of gradient descent on the weight.
// Other factors go by AdamW.
type AltLoRA struct {
	Beta    float64
	Damping float64
}

func (AltLoRA) Needs() []adapter.Capability    { return LoFT{}.Needs() }
func (AltLoRA) Provides() []adapter.Capability { return nil }
func (AltLoRA) Freezes() []string              { return nil }

func (u AltLoRA) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{
		optim.Partition{Roles: []string{"A", "B"}, Then: alternating{u}, Rest: optim.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}},
		optim.Decay{Weight: weightDecay},
	}
}

// Check refuses a beta that makes no mean, and a damping that is none.
func (u AltLoRA) Check() error {
	if !(u.Beta >= 0 && u.Beta < 1) {
		return fmt.Errorf("update: AltLoRA: beta is %v: must be in 0..1, below 1", u.Beta)
	}
	return checkDamping("AltLoRA", u.Damping)
}

// alternating is the transform of AltLoRA on a pair.
type alternating struct{ AltLoRA }

func (t alternating) Init(g *optim.Group) optim.State {
	a, b := g.Role("A"), g.Role("B")
	r, in, out := a.Value.Rows(), a.Value.Cols(), b.Value.Rows()
	return &alternatingState{
		a: a, b: b, bt: make([]float32, r*out), gbt: make([]float32, r*out),
		sideA: newProjectedSide(t.AltLoRA, g.Scaling, r, in, out), sideB: newProjectedSide(t.AltLoRA, g.Scaling, r, out, in),
	}
}

type alternatingState struct {
	a, b         *optim.Param
	bt, gbt      []float32 // r×out
	sideA, sideB *projectedSide
}

func (s *alternatingState) Step(_ *optim.Group, c optim.Clock) {
	r, out := s.sideB.r, s.sideB.dim
	if c.Step%2 == 1 {
		gram.Transpose(s.gbt, s.b.Update, out, r)
		s.sideB.step(s.a.Value.Floats(), s.gbt)
		gram.Transpose(s.b.Update, s.gbt, r, out)
		clear(s.a.Update)
	} else {
		gram.Transpose(s.bt, s.b.Value.Floats(), out, r)
		s.sideA.step(s.bt, s.a.Update)
		clear(s.b.Update)
	}
}

func (s *alternatingState) Buffers() []optim.Buffer {
	return append(s.sideA.buffers(s.a.Name), s.sideB.buffers(s.b.Name)...)
}

// projectedSide is AltLoRA for one of the two factors, given as r rows of dim
// values, at the other, given as r rows of otherDim.
type projectedSide struct {
	AltLoRA
	s                float64
	r, dim, otherDim int

	m    []float32 // r×dim
	last []float32 // r×otherDim: the other when this moved last

	inverse *dampedInverse
	t, u    []float64 // r×r
	columns []float64
}

func newProjectedSide(rule AltLoRA, s float32, r, dim, otherDim int) *projectedSide {
	return &projectedSide{
		AltLoRA: rule, s: float64(s), r: r, dim: dim, otherDim: otherDim,
		m: make([]float32, r*dim), last: make([]float32, r*otherDim), inverse: newDampedInverse(r, rule.Damping),
		t: make([]float64, r*r), u: make([]float64, r*r), columns: make([]float64, gram.CombineScratch(r)),
	}
}

// step replaces the gradient g, r×dim, by the momentum.
func (s *projectedSide) step(other, g []float32) {
	now, before := gram.Rows{N: s.r, Dim: s.otherDim, Data: other}, gram.Rows{N: s.r, Dim: s.otherDim, Data: s.last}
	rows := func(x []float32) gram.Rows { return gram.Rows{N: s.r, Dim: s.dim, Data: x} }
	inv := s.inverse.of(now)
	gram.Cross(s.t, now, before)
	gram.Mul(s.r, s.u, inv, false, s.t, false)
	scale(s.Beta, s.u)
	scale((1-s.Beta)/(s.s*s.s), inv)
	gram.Combine(s.m, s.u, rows(s.m), inv, rows(g), s.columns)
	copy(g, s.m)
	copy(s.last, other)
}

func (s *projectedSide) buffers(name string) []optim.Buffer {
	return []optim.Buffer{{Name: "alt.m." + name, Values: s.m}, {Name: "alt.last." + name, Values: s.last}}
}
