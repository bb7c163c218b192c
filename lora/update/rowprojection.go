package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// RowProjection replaces the gradient of B by gB·(A·Aᵀ)⁻¹/s². While A stays,
// its change of the weight is then
//
//	g̃ = s·gB·(A·Aᵀ)⁻¹·A/s² = G·P_A
//
// the projection of the full gradient on the row space of A, and so the
// nearest to G that B alone can make (LoRA-FA, arXiv 2308.03303, as PEFT
// reads it). Where A is rank deficient the pseudo-inverse stands for the
// inverse. Groups without B are left as they are.
type RowProjection struct{}

func (RowProjection) Init(g *optim.Group) optim.State {
	a, b := g.Role("A"), g.Role("B")
	if b == nil {
		return optim.Chain{}.Init(g)
	}
	if a == nil {
		panic(fmt.Sprintf("update: RowProjection: group %s has B but not A, which the projection reads", g.Name))
	}
	r, out := a.Value.Rows(), b.Value.Rows()
	return &rowProjectionState{
		a: a, b: b, s: float64(g.Scaling), r: r, in: a.Value.Cols(), out: out,
		sa: make([]float64, r*r), inv: make([]float64, r*r),
		gbt: make([]float32, r*out), columns: make([]float64, gram.CombineScratch(r)),
	}
}

type rowProjectionState struct {
	a, b       *optim.Param
	s          float64
	r, in, out int
	eigen      gram.Eigen
	sa, inv    []float64
	gbt        []float32
	columns    []float64
}

func (s *rowProjectionState) Step(*optim.Group, optim.Clock) {
	gram.Gram(s.sa, gram.Rows{N: s.r, Dim: s.in, Data: s.a.Value.Floats()})
	s.eigen.Of(s.r, s.sa)
	s.eigen.Truncate()
	s.eigen.Inverse(s.inv)
	scale(1/(s.s*s.s), s.inv)
	gram.Transpose(s.gbt, s.b.Update, s.out, s.r)
	rows := gram.Rows{N: s.r, Dim: s.out, Data: s.gbt}
	gram.Combine(s.gbt, s.inv, rows, nil, gram.Rows{}, s.columns)
	gram.Transpose(s.b.Update, s.gbt, s.r, s.out)
}

func (s *rowProjectionState) Buffers() []optim.Buffer { return nil }
