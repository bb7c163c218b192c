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
	sb         []float32 // s·Bᵀ·diag(dy/y): r×out, where attached
	mix        []float32 // s·Bᵀ·diag(dy/y)·B: r×r
	p, gram, q []float32 // A·W0ᵀ: r×out, A·Aᵀ: r×r, A·Aᵀ·Bᵀ: r×out
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
	a, b, y := Floats(f.a), Floats(f.b), f.y.Floats()
	out, in, r, s := f.w.Out, f.w.In, f.r, float64(f.s)
	squares := f.w.rowSquares()
	f.w.forwardFew(r, a, f.p)
	kernels.MatMul(kernels.NT, false, r, r, in, a, in, a, in, f.gram, r)
	kernels.MatMul(kernels.NT, false, r, out, r, f.gram, r, b, r, f.q, out)
	for i, square := range squares {
		for k, b := range b[i*r:][:r] {
			square += s * float64(b) * (2*float64(f.p[k*out+i]) + s*float64(f.q[k*out+i]))
		}
		y[i] = float32(math.Sqrt(max(square, 0)))
	}
	return f.y, nil
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
				for k, d := 0, d(i); k < r; k++ {
					db[i*r+k] += d * (f.p[k*out+i] + f.s*f.q[k*out+i])
				}
			}
		})
	}
	if f.a.RequiresGrad() {
		for i := range out {
			for k, d := 0, d(i); k < r; k++ {
				f.sb[k*out+i] = d * b[i*r+k]
			}
		}
		kernels.MatMul(kernels.NN, false, r, r, out, f.sb, out, b, r, f.mix, r)
		kernels.Scale(f.s, f.mix)
		Accumulate(f.a, func(da []float32, acc bool) {
			kernels.MatMul(kernels.NN, acc, r, in, r, f.mix, r, a, in, da, in)
			f.w.backwardFew(r, f.sb, da)
		})
	}
	return nil
}

// forwardFew computes y = x·W0ᵀ for a few rows of x, m×in: of the packed form if there is
// one, and without making it.
func (w *Weight) forwardFew(m int, x, y []float32) {
	if w.streamed || w.holds(&w.fwd) {
		w.forward(m, x, 0, nil, nil, nil, y)
		return
	}
	kernels.MatMul(kernels.NT, false, m, w.Out, w.In, x, w.In, w.Floats(), w.In, y, w.Out)
}

// backwardFew adds dy·W0 to dx for a few rows of dy, m×out, likewise.
func (w *Weight) backwardFew(m int, dy, dx []float32) {
	if w.streamed || w.holds(&w.bwd) {
		w.backward(true, m, dy, 0, nil, nil, dx)
		return
	}
	w.stream(kernels.NN, w.Out, w.In, func(p *kernels.Packed, from int) {
		kernels.MatMulPacked(true, m, dy, w.Out, p, dx[from:], w.In)
	})
}

// holds tells whether a packed form has been made.
func (w *Weight) holds(p *packing) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.done
}

// rowSquares returns the squares of the norms of the rows, to be read only. They are
// computed once, from some rows at a time.
func (w *Weight) rowSquares() []float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.squares != nil {
		return w.squares
	}
	const atOnce = 1 << 17
	w.squares = make([]float64, w.Out)
	step := max(1, atOnce/max(w.In, 1))
	spare := borrow(min(w.Out, step) * w.In)
	defer vectors.put(spare)
	for i := 0; i < w.Out; i += step {
		rows := (*spare)[:min(step, w.Out-i)*w.In]
		w.decode(rows, i)
		for k := range len(rows) / max(w.In, 1) {
			w.squares[i+k] = kernels.SumSquares(rows[k*w.In:][:w.In])
		}
	}
	w.values.Release()
	return w.squares
}
