package update

import "github.com/lowrank/lowrank/lora/internal/gram"

// bases follows an orthonormal basis of the space of a factor, given as r rows
// x, from step to step: with x = Rᵀ·Uᵀ, the r rows of Uᵀ = R⁻ᵀ·x. They are those
// of the eigenvectors of the factor's Gram matrix, with rows of zeros where it
// lacks rank, and need not be kept: R, and how two bases lie to each other, are
// r×r matrices of Gram matrices.
type bases struct {
	r, dim int
	last   []float32 // r×dim: the factor at the last step; to be kept

	now, before    gram.Eigen
	inv, invBefore []float64 // R⁻ᵀ of now and of the last step
	p              []float64 // Uᵀ·U₋: from the last basis to that of now
	t, u           []float64
}

func newBases(r, dim int) bases {
	square := func() []float64 { return make([]float64, r*r) }
	return bases{
		r: r, dim: dim, last: make([]float32, r*dim),
		inv: square(), invBefore: square(), p: square(), t: square(), u: square(),
	}
}

// turn takes the factor as it is now, r×dim.
func (b *bases) turn(x []float32) {
	rows := func(x []float32) gram.Rows { return gram.Rows{N: b.r, Dim: b.dim, Data: x} }
	b.root(&b.now, b.inv, rows(x))
	b.root(&b.before, b.invBefore, rows(b.last))
	gram.Cross(b.t, rows(x), rows(b.last))
	gram.Mul(b.r, b.u, b.inv, false, b.t, false)
	gram.Mul(b.r, b.p, b.u, false, b.invBefore, true)
	copy(b.last, x)
}

func (b *bases) root(e *gram.Eigen, inv []float64, x gram.Rows) {
	gram.Gram(b.t, x)
	e.Of(b.r, b.t)
	e.Truncate()
	e.InverseRoot(inv)
}
