package ag

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// RowNorms is the Euclidean norm of each row of W0 + s·B·A, the magnitude that
// DoRA divides by (arXiv 2402.09353, eq. 5), without a buffer of out×in:
//
//	‖w0_i + s·b_i·A‖² = ‖w0_i‖² + 2s·b_i·(W0·Aᵀ)_i + s²·b_i·(A·Aᵀ)·b_iᵀ
//
// It is a constant of the graph: no gradient flows through it (section 4.3
// there). A norm below about 1e-3 of ‖w0_i‖ is lost to cancellation.
type RowNorms struct {
	w          *Weight
	a, b       Tensor
	s          float32
	r          int
	p, gram, q []float32 // W0·Aᵀ: out×r, A·Aᵀ: r×r, B·A·Aᵀ: out×r
	y          *Variable
}

// NewRowNorms returns the operator for w out×in, A r×in and B out×r; y is
// 1×out.
func NewRowNorms(w *Weight, a, b Tensor, s float32) *RowNorms {
	const op = "RowNorms"
	r, c := Dims(a)
	if c != w.In {
		fail(op, "A is %d×%d, W0 is %d×%d: A must have %d columns", r, c, w.Out, w.In, w.In)
	}
	if rows, cols := Dims(b); rows != w.Out || cols != r {
		fail(op, "B is %d×%d, W0 is %d×%d, A is %d×%d: B must be %d×%d", rows, cols, w.Out, w.In, r, w.In, w.Out, r)
	}
	return &RowNorms{
		w: w, a: a, b: b, s: s, r: r,
		p: make([]float32, w.Out*r), gram: make([]float32, r*r), q: make([]float32, w.Out*r),
		y: NewVariable(1, w.Out, nil),
	}
}

// Operands returns nil: the norms are detached.
func (f *RowNorms) Operands() []Tensor { return nil }

func (f *RowNorms) Forward() (Tensor, error) {
	w, a, b := f.w.Floats(), Floats(f.a), Floats(f.b)
	out, in, r, s := f.w.Out, f.w.In, f.r, float64(f.s)
	kernels.MatMul(kernels.NT, false, out, r, in, w, in, a, in, f.p, r)
	kernels.MatMul(kernels.NT, false, r, r, in, a, in, a, in, f.gram, r)
	kernels.MatMul(kernels.NN, false, out, r, r, b, r, f.gram, r, f.q, r)
	for i := range out {
		bi := b[i*r:][:r]
		square := kernels.SumSquares(w[i*in:][:in]) +
			2*s*kernels.Dot(bi, f.p[i*r:][:r]) +
			s*s*kernels.Dot(bi, f.q[i*r:][:r])
		f.y.data[i] = float32(math.Sqrt(max(square, 0)))
	}
	return f.y, nil
}

// Backward does nothing.
func (f *RowNorms) Backward(Tensor) error { return nil }
