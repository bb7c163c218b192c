package ag

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// Orthogonality is the Frobenius norm ‖A·Aᵀ - I‖ of the rows of A, or ‖Aᵀ·A - I‖
// of its columns: AdaLoRA's penalty on its factors (arXiv 2303.10512, eq. 4,
// as the norm itself and not its square).
//
//	dA = 2·(A·Aᵀ - I)·A / ‖A·Aᵀ - I‖, and 0 where the norm is 0
type Orthogonality struct {
	a      Tensor
	byRows bool
	r, n   int
	k      int       // rows of the Gram matrix
	d, t   []float32 // k×k: Gram matrix - I, and it scaled
	output
}

// NewOrthogonality returns the operator for A r×n, over its rows if byRows is
// set and else over its columns; y is 1×1.
func NewOrthogonality(a Tensor, byRows bool) *Orthogonality {
	f := &Orthogonality{a: a, byRows: byRows, output: newOutput(1, 1)}
	f.r, f.n = Dims(a)
	f.k = f.n
	if byRows {
		f.k = f.r
	}
	f.d, f.t = make([]float32, f.k*f.k), make([]float32, f.k*f.k)
	return f
}

func (f *Orthogonality) Operands() []Tensor { return []Tensor{f.a} }

func (f *Orthogonality) Forward() (Tensor, error) {
	a := Floats(f.a)
	if f.byRows {
		kernels.MatMul(kernels.NT, false, f.k, f.k, f.n, a, f.n, a, f.n, f.d, f.k)
	} else {
		kernels.MatMul(kernels.TN, false, f.k, f.k, f.r, a, f.n, a, f.n, f.d, f.k)
	}
	for i := range f.k {
		f.d[i*f.k+i]--
	}
	f.y.Floats()[0] = float32(math.Sqrt(kernels.SumSquares(f.d)))
	return f.y, nil
}

func (f *Orthogonality) Backward(gy Tensor) error {
	if !f.a.RequiresGrad() {
		return nil
	}
	a, norm := Floats(f.a), f.y.Floats()[0]
	Accumulate(f.a, func(da []float32, acc bool) {
		if norm == 0 {
			if !acc {
				clear(da)
			}
			return
		}
		copy(f.t, f.d)
		kernels.Scale(2*Floats(gy)[0]/norm, f.t)
		if f.byRows {
			kernels.MatMul(kernels.NN, acc, f.r, f.n, f.k, f.t, f.k, a, f.n, da, f.n)
		} else {
			kernels.MatMul(kernels.NN, acc, f.r, f.n, f.k, a, f.n, f.t, f.k, da, f.n)
		}
	})
	return nil
}
