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
	part       []float32 // decoded rows of a streamed weight
	output
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
		output: newOutput(1, w.Out),
	}
}

// Operands returns nil: the norms are detached.
func (f *RowNorms) Operands() []Tensor { return nil }

func (f *RowNorms) Forward() (Tensor, error) {
	a, b := Floats(f.a), Floats(f.b)
	out, in, r := f.w.Out, f.w.In, f.r
	kernels.MatMul(kernels.NT, false, r, r, in, a, in, a, in, f.gram, r)
	kernels.MatMul(kernels.NN, false, out, r, r, b, r, f.gram, r, f.q, r)
	if !f.w.streamed {
		f.rows(0, out, f.w.Floats(), a, b)
		return f.y, nil
	}
	if f.part == nil {
		f.part = make([]float32, min(out, max(1, normsAtOnce/max(in, 1)))*in)
	}
	step := len(f.part) / max(in, 1)
	for i := 0; i < out; i += max(step, 1) {
		n := min(max(step, 1), out-i)
		f.w.held.Decode(f.part[:n*in], i*in)
		f.rows(i, n, f.part, a, b)
	}
	return f.y, nil
}

// normsAtOnce is how many elements of a streamed weight are decoded at once.
const normsAtOnce = 1 << 17

// rows makes n norms from number i on, of the rows w.
func (f *RowNorms) rows(i, n int, w, a, b []float32) {
	in, r, s := f.w.In, f.r, float64(f.s)
	p := f.p[i*r:]
	kernels.MatMul(kernels.NT, false, n, r, in, w, in, a, in, p, r)
	for k := range n {
		bi := b[(i+k)*r:][:r]
		square := kernels.SumSquares(w[k*in:][:in]) +
			2*s*kernels.Dot(bi, p[k*r:][:r]) +
			s*s*kernels.Dot(bi, f.q[(i+k)*r:][:r])
		f.y.Floats()[i+k] = float32(math.Sqrt(max(square, 0)))
	}
}

// Backward does nothing.
func (f *RowNorms) Backward(Tensor) error { return nil }
