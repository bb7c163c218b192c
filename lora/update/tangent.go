package update

import "github.com/lowrank/lowrank/lora/internal/gram"

// A tangent solves, for one adapter, for directions a and b whose change of
// the weight g̃ = s·(B·a + b·A) is as near to G as a change within the tangent
// space of the rank-r matrices at B·A can be:
//
//	a = (BᵀB)⁺·gA/s² + X·A    b = (I − P_B)·gB·(A·Aᵀ)⁺/s² − B·X
//	g̃ = P_B·G + G·P_A − P_B·G·P_A    for every r×r matrix X
//
// (LoRA-Pro, arXiv 2407.18242, theorem 2.1). P_B and P_A project on the column
// space of B and the row space of A, ⁺ is the pseudo-inverse: with B = 0 what
// is left is a = 0, b = gB·(A·Aᵀ)⁺/s².
type tangent struct {
	s             float64
	r, in, out    int
	a             gram.Rows // r×in
	bt, gbt       []float32 // r×out
	sa, sb, k, kb []float64 // A·Aᵀ, BᵀB, gA·Aᵀ, Bᵀ·gB
	ea, eb        gram.Eigen
	invA, invB    []float64
	x             []float64
	t, u          []float64 // r×r scratch
	columns       []float64
}

func newTangent(s float32, r, in, out int) *tangent {
	square := func() []float64 { return make([]float64, r*r) }
	return &tangent{
		s: float64(s), r: r, in: in, out: out,
		bt: make([]float32, r*out), gbt: make([]float32, r*out),
		sa: square(), sb: square(), k: square(), kb: square(),
		invA: square(), invB: square(), x: square(), t: square(), u: square(),
		columns: make([]float64, gram.CombineScratch(r)),
	}
}

// at takes the factors a, r×in, and b, out×r, which must stay as they are until they
// are taken anew.
func (t *tangent) at(a, b []float32) {
	r := t.r
	t.a = gram.Rows{N: r, Dim: t.in, Data: a}
	gram.Transpose(t.bt, b, t.out, r)
	gram.Gram(t.sa, t.a)
	gram.Gram(t.sb, t.rows(t.bt))
	t.ea.Of(r, t.sa)
	t.eb.Of(r, t.sb)
	t.ea.Truncate()
	t.eb.Truncate()
	t.ea.Inverse(t.invA)
	t.eb.Inverse(t.invB)
	scale(1/(t.s*t.s), t.invA)
	scale(1/(t.s*t.s), t.invB)
}

// rows are those of a transposed B.
func (t *tangent) rows(bt []float32) gram.Rows { return gram.Rows{N: t.r, Dim: t.out, Data: bt} }

// solve replaces the gradients ga, r×in, and gb, out×r, by directions at A and
// B, with the X of the split. A factor that is not finite makes both NaN.
func (t *tangent) solve(ga, gb []float32, x Selection) {
	r := t.r
	gram.Transpose(t.gbt, gb, t.out, r)
	A, GA := t.a, gram.Rows{N: r, Dim: t.in, Data: ga}
	B, GB := t.rows(t.bt), t.rows(t.gbt)
	if x == Closest {
		gram.Cross(t.k, GA, A)
	}
	gram.Cross(t.kb, B, GB)
	switch x {
	case Closest:
		t.sylvester()
	case Zero:
		clear(t.x)
	case Symmetric:
		t.symmetric()
	}

	// a = (BᵀB)⁺·gA/s² + X·A
	q := t.x
	if x == Zero {
		q = nil
	}
	gram.Combine(ga, t.invB, GA, q, A, t.columns)

	// bᵀ = (A·Aᵀ)⁺/s²·gBᵀ − ((A·Aᵀ)⁺/s²·(Bᵀ·gB)ᵀ·(BᵀB)⁺ + Xᵀ)·Bᵀ
	gram.Mul(r, t.t, t.invA, false, t.kb, true)
	gram.Mul(r, t.u, t.t, false, t.invB, false)
	scale(t.s*t.s, t.u) // invA and invB hold 1/s² each
	for i := range r {
		for j := range r {
			t.t[i*r+j] = -t.u[i*r+j] - t.x[j*r+i]
		}
	}
	gram.Combine(t.gbt, t.invA, GB, t.t, B, t.columns)
	gram.Transpose(gb, t.gbt, r, t.out)
}

// sylvester sets X to the solution of
//
//	(BᵀB)·X + X·(A·Aᵀ) = −(BᵀB)⁺·gA·Aᵀ/s²
//
// which minimises ‖a − gA‖² + ‖b − gB‖² (theorem 2.3). In the eigenbases of
// the two Gram matrices it is an element-wise division.
func (t *tangent) sylvester() {
	r := t.r
	gram.Mul(r, t.t, t.invB, false, t.k, false)
	gram.Mul(r, t.u, t.eb.U, true, t.t, false)
	gram.Mul(r, t.t, t.u, false, t.ea.U, false)
	for i, l := range t.eb.L {
		for j, m := range t.ea.L {
			if l+m == 0 {
				t.t[i*r+j] = 0 // both in the null space, and so is the right-hand side
			} else {
				t.t[i*r+j] /= -(l + m)
			}
		}
	}
	gram.Mul(r, t.u, t.eb.U, false, t.t, false)
	gram.Mul(r, t.x, t.u, false, t.ea.U, true)
}

// symmetric sets X to −(BᵀB)⁺·Bᵀ·gB·(A·Aᵀ)⁺/(2·s²).
func (t *tangent) symmetric() {
	gram.Mul(t.r, t.t, t.invB, false, t.kb, false)
	gram.Mul(t.r, t.x, t.t, false, t.invA, false)
	scale(-t.s*t.s/2, t.x) // invA and invB hold 1/s² each
}

func scale(c float64, x []float64) {
	for i := range x {
		x[i] *= c
	}
}
