package ag

import "github.com/lowrank/lowrank/kernels"

// Softmax is y_ij = exp(x_ij) / Σ_k exp(x_ik), row by row.
type Softmax struct {
	x Tensor
	output
}

// NewSoftmax returns the operator; y has the shape of x, M×n.
func NewSoftmax(x Tensor) *Softmax {
	m, n := Dims(x)
	return &Softmax{x: x, output: newOutput(m, n)}
}

func (f *Softmax) Operands() []Tensor { return []Tensor{f.x} }

func (f *Softmax) Forward() (Tensor, error) {
	m, n := f.y.rows, f.y.cols
	kernels.Softmax(m, n, Floats(f.x), n, f.y.Floats(), n)
	return f.y, nil
}

func (f *Softmax) Backward(gy Tensor) error {
	softmaxGrad(f.x, f.y, gy)
	return nil
}

// softmaxGrad gives x the gradient y∘(dy - Σ_k y_k·dy_k) of a softmax y.
func softmaxGrad(x Tensor, y *Variable, gy Tensor) {
	if x.RequiresGrad() {
		m, n := y.rows, y.cols
		Accumulate(x, func(dx []float32, acc bool) {
			kernels.SoftmaxGrad(m, n, y.data, n, Floats(gy), n, dx, n, acc)
		})
	}
}
