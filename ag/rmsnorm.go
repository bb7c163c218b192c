package ag

import "github.com/lowrank/lowrank/kernels"

// RMSNorm is y_ij = w_j·x_ij / sqrt(mean_j x_ij² + eps) (arXiv 1910.07467,
// eq. 4).
type RMSNorm struct {
	x, w Tensor
	n    int
	eps  float32
	inv  []float32 // M: 1/rms of each row
	output
}

// NewRMSNorm returns the operator for x M×n and w 1×n; y is M×n.
func NewRMSNorm(x, w Tensor, eps float32) *RMSNorm {
	rowVector("RMSNorm", "w", w, x)
	m, n := Dims(x)
	return &RMSNorm{x: x, w: w, n: n, eps: eps, inv: make([]float32, m), output: newOutput(m, n)}
}

func (f *RMSNorm) Operands() []Tensor { return []Tensor{f.x, f.w} }

func (f *RMSNorm) Forward() (Tensor, error) {
	kernels.RMSNorm(f.y.rows, f.n, Floats(f.x), f.n, Floats(f.w), f.eps, f.y.Floats(), f.n, f.inv)
	return f.y, nil
}

func (f *RMSNorm) Backward(gy Tensor) error {
	x, w, dy := Floats(f.x), Floats(f.w), Floats(gy)
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			kernels.RMSNormGrad(f.y.rows, f.n, x, f.n, w, f.inv, dy, f.n, dx, f.n, acc, nil)
		})
	}
	if f.w.RequiresGrad() {
		Accumulate(f.w, func(dw []float32, acc bool) {
			if !acc {
				clear(dw)
			}
			kernels.RMSNormGrad(f.y.rows, f.n, x, f.n, w, f.inv, dy, f.n, nil, f.n, false, dw)
		})
	}
	return nil
}

func (f *RMSNorm) saved() int { return len(f.inv) }

func (f *RMSNorm) reads() (operands, output bool) { return true, false }
