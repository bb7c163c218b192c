package update

import (
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// TangentMuon is [Muon] of the weight, as far as the factors can follow: where Muon
// makes A and B orthogonal each by itself, this rule does so with the change of the
// weight that they make together. Of the gradient G of the weight it takes what lies
// in the tangent space of the matrices of rank r at B·A (LoRA-Pro, arXiv 2407.18242,
// theorem 2.1), brings it to O ≈ U·Vᵀ as [Orthogonalize] does, and takes of O, which
// has left the tangent space, what lies in it again:
//
//	g̃ = P_B·G + G·P_A − P_B·G·P_A    O = sign(g̃)
//	s·(B·a + b·A) = P_B·O + O·P_A − P_B·O·P_A
//
// What both factors could make each makes half of. The momentum is that of the
// factors' gradients, since the space moves with them. The change of the weight does
// not depend on how the product is split, and s is divided out: a learning rate is
// one of the weight. No matrix of its size is made: g̃ has the rank 2r, and the work
// is O(r²·(in + out)). What is no pair goes by AdamW.
type TangentMuon struct {
	Momentum float64
	Nesterov bool
	Steps    int
	MatchRMS bool
}

func (TangentMuon) Needs() []adapter.Capability    { return LoRAPro{}.Needs() }
func (TangentMuon) Provides() []adapter.Capability { return nil }
func (TangentMuon) Freezes() []string              { return nil }

// Check refuses what Muon's does.
func (u TangentMuon) Check() error { return Muon(u).Check() }

func (u TangentMuon) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{
		optim.Partition{
			Roles: []string{"A", "B"},
			Then: optim.Chain{
				optim.Momentum{Mu: u.Momentum, Nesterov: u.Nesterov},
				tangentSign{Orthogonalize{u.Steps, u.MatchRMS}},
			},
			Rest: adam8,
		},
		optim.Decay{Weight: weightDecay},
	}
}

// tangentSign replaces the gradients of a pair by the directions a and b.
type tangentSign struct{ Orthogonalize }

func (t tangentSign) Init(g *optim.Group) optim.State {
	a, b := g.Role("A"), g.Role("B")
	r, in, out := a.Value.Rows(), a.Value.Cols(), b.Value.Rows()
	square := func() []float64 { return make([]float64, r*r) }
	rows := func(dim int) gram.Rows { return gram.Rows{N: r, Dim: dim, Data: make([]float32, r*dim)} }
	return &tangentSignState{
		a: a, b: b, r: r, s: float64(g.Scaling), size: t.size(out, in), sign: newGramSign(2*r, t.Steps),
		bt: rows(out), gbt: rows(out), qa: rows(in), qb: rows(out), pg: rows(in), n: rows(out),
		ha: square(), hb: square(), rootN: square(), inverseN: square(), e: square(), f: square(),
		s11: square(), s12: square(), s22: square(), t: square(), u: square(), v: square(),
		columns: make([]float64, gram.CombineScratch(r)),
	}
}

// A tangentSignState works in orthonormal bases Q_B of the columns of B, Q_A of the
// rows of A, and Q_N of those of N, what Q_Aᵀ finds of G beside Q_B:
//
//	g̃ = Q_B·(Q_Bᵀ·G) + N·Q_A = [Q_B Q_N]·R    R = [Q_Bᵀ·G; (NᵀN)^½·Q_A]
//
// so that sign(g̃) = [Q_B Q_N]·S·R with the S, 2r×2r, that the Gram matrix of R gives.
type tangentSignState struct {
	a, b    *optim.Param
	r       int
	s, size float64
	sign    gramSign

	bt, gbt gram.Rows // Bᵀ and gBᵀ: r×out
	qa      gram.Rows // Q_A = (A·Aᵀ)^(-½)·A: r×in
	qb      gram.Rows // Q_Bᵀ: r×out
	pg      gram.Rows // Q_Bᵀ·G = (BᵀB)^(-½)·gA/s: r×in
	n       gram.Rows // Nᵀ: r×out

	eigen           gram.Eigen
	ha, hb          []float64 // (A·Aᵀ)^(-½), (BᵀB)^(-½)
	rootN, inverseN []float64 // (NᵀN)^½ and its inverse
	e               []float64 // Q_Bᵀ·G·Q_Aᵀ
	f               []float64 // Q_Bᵀ·O·Q_Aᵀ
	s11, s12, s22   []float64 // blocks of S
	t, u, v         []float64 // scratch
	columns         []float64
}

func (st *tangentSignState) Step(*optim.Group, optim.Clock) {
	r := st.r
	a := gram.Rows{N: r, Dim: st.qa.Dim, Data: st.a.Value.Floats()}
	ga := gram.Rows{N: r, Dim: st.qa.Dim, Data: st.a.Update}
	gram.Transpose(st.bt.Data, st.b.Value.Floats(), st.bt.Dim, r)
	gram.Transpose(st.gbt.Data, st.b.Update, st.gbt.Dim, r)
	st.basis(st.qa, st.ha, a)
	st.basis(st.qb, st.hb, st.bt)

	st.combine(st.pg, 1/st.s, st.hb, ga)
	st.combine(st.n, 1/st.s, st.ha, st.gbt)
	gram.Cross(st.t, st.n, st.qb)
	scale(-1, st.t)
	identity(r, st.u)
	gram.Combine(st.n.Data, st.u, st.n, st.t, st.qb, st.columns)

	gram.Gram(st.t, st.n)
	st.eigen.Of(r, st.t)
	st.eigen.Truncate()
	st.eigen.Apply(st.rootN, math.Sqrt)
	st.eigen.Apply(st.inverseN, inverseRoot)
	gram.Cross(st.e, st.pg, st.qa)
	st.solve()

	// f = S11·e + S12·N^½
	gram.Mul(r, st.t, st.s11, false, st.e, false)
	gram.Mul(r, st.u, st.s12, false, st.rootN, false)
	for i := range st.f {
		st.f[i] = st.t[i] + st.u[i]
	}

	// a = (BᵀB)^(-½)·(S11·pg + (S12·N^½ − f/2)·Q_A)·size/s
	for i := range st.u {
		st.u[i] -= st.f[i] / 2
	}
	gram.Mul(r, st.t, st.hb, false, st.s11, false)
	gram.Mul(r, st.v, st.hb, false, st.u, false)
	scale(st.size/st.s, st.t)
	scale(st.size/st.s, st.v)
	gram.Combine(ga.Data, st.t, st.pg, st.v, st.qa, st.columns)

	// bᵀ = (A·Aᵀ)^(-½)·((S12ᵀ·e + S22·N^½)ᵀ·N^(-½)·Nᵀ + fᵀ/2·Q_Bᵀ)·size/s
	gram.Mul(r, st.t, st.s12, true, st.e, false)
	gram.Mul(r, st.u, st.s22, false, st.rootN, false)
	for i := range st.t {
		st.t[i] += st.u[i]
	}
	gram.Mul(r, st.u, st.t, true, st.inverseN, false)
	gram.Mul(r, st.t, st.ha, false, st.u, false)
	gram.Mul(r, st.v, st.ha, false, st.f, true)
	scale(st.size/st.s, st.t)
	scale(st.size/st.s/2, st.v)
	gram.Combine(st.gbt.Data, st.t, st.n, st.v, st.qb, st.columns)
	gram.Transpose(st.b.Update, st.gbt.Data, r, st.gbt.Dim)
}

// basis sets h to (x·xᵀ)^(-½) and q to h·x.
func (st *tangentSignState) basis(q gram.Rows, h []float64, x gram.Rows) {
	gram.Gram(st.t, x)
	st.eigen.Of(st.r, st.t)
	st.eigen.Truncate()
	st.eigen.Apply(h, inverseRoot)
	st.combine(q, 1, h, x)
}

// combine sets dst to c·p·x.
func (st *tangentSignState) combine(dst gram.Rows, c float64, p []float64, x gram.Rows) {
	copy(st.v, p)
	scale(c, st.v)
	gram.Combine(dst.Data, st.v, x, nil, gram.Rows{}, st.columns)
}

// solve fills the Gram matrix of R, and reads S.
func (st *tangentSignState) solve() {
	r, n := st.r, 2*st.r
	gram.Gram(st.t, st.pg)
	gram.Mul(r, st.u, st.e, false, st.rootN, false)
	gram.Mul(r, st.v, st.rootN, false, st.rootN, false)
	for i := range r {
		for j := range r {
			st.sign.gram[i*n+j] = st.t[i*r+j]
			st.sign.gram[i*n+r+j], st.sign.gram[(r+j)*n+i] = st.u[i*r+j], st.u[i*r+j]
			st.sign.gram[(r+i)*n+r+j] = st.v[i*r+j]
		}
	}
	st.sign.solve()
	for i := range r {
		for j := range r {
			st.s11[i*r+j] = st.sign.x[i*n+j]
			st.s12[i*r+j] = st.sign.x[i*n+r+j]
			st.s22[i*r+j] = st.sign.x[(r+i)*n+r+j]
		}
	}
}

func (st *tangentSignState) Buffers() []optim.Buffer { return nil }

// identity writes the n×n identity.
func identity(n int, x []float64) {
	clear(x)
	for i := range n {
		x[i*n+i] = 1
	}
}
