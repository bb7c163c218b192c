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
// there), unless Attach lets it. A norm below about 1e-3 of ‖w0_i‖ is lost to
// cancellation.
type RowNorms struct {
	w          *Weight
	a, b       Tensor
	s          float32
	r          int
	attached   bool
	sb         []float32 // s·diag(dy/y)·B: out×r, where attached
	mix        []float32 // s·Bᵀ·diag(dy/y)·B: r×r
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

// Attach lets the gradient through: with V = W0 + s·B·A and D = diag(dy/y),
//
//	dB = s·D·V·Aᵀ = s·D·(W0·Aᵀ + s·B·A·Aᵀ)
//	dA = s·Bᵀ·D·V = (s·D·B)ᵀ·W0 + s²·(Bᵀ·D·B)·A
//
// where a row of norm zero, which has no gradient, gives none.
func (f *RowNorms) Attach() *RowNorms {
	f.attached = true
	f.sb, f.mix = make([]float32, f.w.Out*f.r), make([]float32, f.r*f.r)
	return f
}

// Operands returns nil where the norms are detached.
func (f *RowNorms) Operands() []Tensor {
	if !f.attached {
		return nil
	}
	return []Tensor{f.a, f.b}
}

func (f *RowNorms) Forward() (Tensor, error) {
	a, b := Floats(f.a), Floats(f.b)
	out, in, r := f.w.Out, f.w.In, f.r
	kernels.MatMul(kernels.NT, false, r, r, in, a, in, a, in, f.gram, r)
	kernels.MatMul(kernels.NN, false, out, r, r, b, r, f.gram, r, f.q, r)
	f.chunks(func(i, n int, w []float32) { f.rows(i, n, w, a, b) })
	return f.y, nil
}

// chunks calls each with n rows of the weight at a time, from row i on: those of a
// streamed one are decoded for it, and sums over rows have the same bits either way.
func (f *RowNorms) chunks(each func(i, n int, w []float32)) {
	out, in := f.w.Out, f.w.In
	step := max(1, normsAtOnce/max(in, 1))
	var all []float32
	if !f.w.streamed {
		all = f.w.Floats()
	} else if f.part == nil {
		f.part = make([]float32, min(out, step)*in)
	}
	for i := 0; i < out; i += step {
		n := min(step, out-i)
		w := f.part
		if all != nil {
			w = all[i*in:][:n*in]
		} else {
			f.w.decode(f.part[:n*in], i)
		}
		each(i, n, w)
	}
}

// normsAtOnce is how many elements of the weight are taken at once.
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

// Backward does nothing where the norms are detached.
func (f *RowNorms) Backward(gy Tensor) error {
	if !f.attached {
		return nil
	}
	a, b, dy, y := Floats(f.a), Floats(f.b), Floats(gy), f.y.Floats()
	out, in, r := f.w.Out, f.w.In, f.r
	d := func(i int) float32 {
		if y[i] == 0 {
			return 0
		}
		return f.s * dy[i] / y[i]
	}
	if f.b.RequiresGrad() {
		Accumulate(f.b, func(db []float32, acc bool) {
			if !acc {
				clear(db)
			}
			for i := range out {
				kernels.Axpy(d(i), f.p[i*r:][:r], db[i*r:][:r])
				kernels.Axpy(d(i)*f.s, f.q[i*r:][:r], db[i*r:][:r])
			}
		})
	}
	if f.a.RequiresGrad() {
		copy(f.sb, b)
		for i := range out {
			kernels.Scale(d(i), f.sb[i*r:][:r])
		}
		kernels.MatMul(kernels.TN, false, r, r, out, f.sb, r, b, r, f.mix, r)
		kernels.Scale(f.s, f.mix)
		Accumulate(f.a, func(da []float32, acc bool) {
			kernels.MatMul(kernels.NN, acc, r, in, r, f.mix, r, a, in, da, in)
			f.chunks(func(i, n int, w []float32) {
				kernels.MatMul(kernels.TN, true, r, in, n, f.sb[i*r:], r, w, in, da, in)
			})
		})
	}
	return nil
}
