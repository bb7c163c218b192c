package ag

import "github.com/lowrank/lowrank/kernels"

// Tanh is y = tanh(x), element-wise.
//
//	dx = dy∘(1 - y²)
type Tanh struct {
	x Tensor
	output
}

// NewTanh returns the operator; y has the shape of x.
func NewTanh(x Tensor) *Tanh {
	m, n := Dims(x)
	return &Tanh{x: x, output: newOutput(m, n)}
}

func (f *Tanh) Operands() []Tensor { return []Tensor{f.x} }

func (f *Tanh) Forward() (Tensor, error) {
	kernels.Tanh(f.y.Floats(), Floats(f.x))
	return f.y, nil
}

func (f *Tanh) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	dy := Floats(gy)
	Accumulate(f.x, func(dx []float32, acc bool) {
		if !acc {
			clear(dx)
		}
		for i, y := range f.y.Floats() {
			dx[i] += dy[i] * (1 - y*y)
		}
	})
	return nil
}
