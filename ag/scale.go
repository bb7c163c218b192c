package ag

import "github.com/lowrank/lowrank/kernels"

// Scale is y = s·x for a constant s. dx is s·dy.
type Scale struct {
	x Tensor
	s float32
	output
}

// NewScale returns the operator; y has the shape of x.
func NewScale(x Tensor, s float32) *Scale {
	m, n := Dims(x)
	return &Scale{x: x, s: s, output: newOutput(m, n)}
}

func (f *Scale) Operands() []Tensor { return []Tensor{f.x} }

func (f *Scale) Forward() (Tensor, error) {
	copy(f.y.Floats(), Floats(f.x))
	kernels.Scale(f.s, f.y.Floats())
	return f.y, nil
}

func (f *Scale) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		scaleGrad(f.x, f.s, Floats(gy))
	}
	return nil
}

// scaleGrad gives x the gradient s·d.
func scaleGrad(x Tensor, s float32, d []float32) {
	Accumulate(x, func(dx []float32, acc bool) {
		if acc {
			kernels.Axpy(s, d, dx)
			return
		}
		copy(dx, d)
		kernels.Scale(s, dx)
	})
}

func (f *Scale) reads() (operands, output bool) { return false, false }
