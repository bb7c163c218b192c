package update

import (
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// Precondition replaces the gradients of A and B by the directions of steepest
// descent in the metric of Riemannian preconditioned LoRA (arXiv 2402.02347,
// equation 3),
//
//	a = (BᵀB + Damping·I)⁻¹·gA    b = gB·(A·Aᵀ + Damping·I)⁻¹
//
// so that without damping g̃ = s²·(P_B·G + G·P_A), the same for every split of
// the product B·A. It is no projection: what lies in both spaces moves twice.
// Where the damping is 0 and a factor is rank deficient, the pseudo-inverse
// stands for the inverse. Other parameters, and groups without A and B, are
// left as they are.
type Precondition struct {
	Damping float64
}

func (t Precondition) Init(g *optim.Group) optim.State {
	a, b := g.Role("A"), g.Role("B")
	if a == nil || b == nil {
		return optim.Chain{}.Init(g)
	}
	r, out := a.Value.Rows(), b.Value.Rows()
	return &preconditionState{
		Precondition: t, a: a, b: b, r: r, in: a.Value.Cols(), out: out,
		bt: make([]float32, r*out), gbt: make([]float32, r*out),
		inverseA: newDampedInverse(r, t.Damping), inverseB: newDampedInverse(r, t.Damping),
		columns: make([]float64, gram.CombineScratch(r)),
	}
}

type preconditionState struct {
	Precondition
	a, b               *optim.Param
	r, in, out         int
	bt, gbt            []float32 // r×out
	inverseA, inverseB *dampedInverse
	columns            []float64
}

func (s *preconditionState) Step(*optim.Group, optim.Clock) {
	gram.Transpose(s.bt, s.b.Value.Floats(), s.out, s.r)
	gram.Transpose(s.gbt, s.b.Update, s.out, s.r)
	rows := func(x []float32, dim int) gram.Rows { return gram.Rows{N: s.r, Dim: dim, Data: x} }
	ofB := s.inverseB.of(rows(s.bt, s.out))
	ofA := s.inverseA.of(rows(s.a.Value.Floats(), s.in))
	gram.Combine(s.a.Update, ofB, rows(s.a.Update, s.in), nil, gram.Rows{}, s.columns)
	gram.Combine(s.gbt, ofA, rows(s.gbt, s.out), nil, gram.Rows{}, s.columns)
	gram.Transpose(s.b.Update, s.gbt, s.r, s.out)
}

func (s *preconditionState) Buffers() []optim.Buffer { return nil }

// A dampedInverse is (x·xᵀ + damping·I)⁻¹ of a factor given as r rows.
type dampedInverse struct {
	damping float64
	eigen   gram.Eigen
	s, inv  []float64
}

func newDampedInverse(r int, damping float64) *dampedInverse {
	return &dampedInverse{damping: damping, s: make([]float64, r*r), inv: make([]float64, r*r)}
}

// of returns the inverse, which holds until the next call.
func (d *dampedInverse) of(x gram.Rows) []float64 {
	gram.Gram(d.s, x)
	d.eigen.Of(x.N, d.s)
	if d.damping == 0 {
		d.eigen.Truncate()
	}
	for k := range d.eigen.L {
		d.eigen.L[k] += d.damping
	}
	d.eigen.Inverse(d.inv)
	return d.inv
}
