package ag

import "github.com/lowrank/lowrank/kernels"

// LayerNorm is y_ij = w_j·(x_ij - mean_i)/sqrt(var_i + eps) + b_j, with the
// mean and the biased variance of row i (arXiv 1607.06450).
type LayerNorm struct {
	x, w, b   Tensor
	n         int
	eps       float32
	mean, inv []float32 // M
	output
}

// NewLayerNorm returns the operator for x M×n, w 1×n and b 1×n; y is M×n.
func NewLayerNorm(x, w, b Tensor, eps float32) *LayerNorm {
	rowVector("LayerNorm", "w", w, x)
	rowVector("LayerNorm", "b", b, x)
	m, n := Dims(x)
	return &LayerNorm{
		x: x, w: w, b: b, n: n, eps: eps,
		mean: make([]float32, m), inv: make([]float32, m), output: newOutput(m, n),
	}
}

func (f *LayerNorm) Operands() []Tensor { return []Tensor{f.x, f.w, f.b} }

func (f *LayerNorm) Forward() (Tensor, error) {
	kernels.LayerNorm(f.y.rows, f.n, Floats(f.x), f.n, Floats(f.w), Floats(f.b), f.eps, f.y.Floats(), f.n, f.mean, f.inv)
	return f.y, nil
}

func (f *LayerNorm) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) { f.grad(gy, dx, acc, nil, nil) })
	}
	if f.w.RequiresGrad() {
		Accumulate(f.w, func(dw []float32, acc bool) {
			if !acc {
				clear(dw)
			}
			f.grad(gy, nil, false, dw, nil)
		})
	}
	if f.b.RequiresGrad() {
		Accumulate(f.b, func(db []float32, acc bool) {
			if !acc {
				clear(db)
			}
			f.grad(gy, nil, false, nil, db)
		})
	}
	return nil
}

func (f *LayerNorm) grad(gy Tensor, dx []float32, acc bool, dw, db []float32) {
	kernels.LayerNormGrad(f.y.rows, f.n, Floats(f.x), f.n, Floats(f.w), f.mean, f.inv, Floats(gy), f.n, dx, f.n, acc, dw, db)
}

func (f *LayerNorm) saved() int { return len(f.inv) + len(f.mean) }

func (f *LayerNorm) reads() (operands, output bool) { return true, false }
