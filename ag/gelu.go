package ag

import "github.com/lowrank/lowrank/kernels"

// GELU is y = x·Φ(x), element-wise, with the normal distribution's Φ in its
// exact form by erf (arXiv 1606.08415).
type GELU struct {
	x Tensor
	output
}

// NewGELU returns the operator; y has the shape of x.
func NewGELU(x Tensor) *GELU {
	m, n := Dims(x)
	return &GELU{x: x, output: newOutput(m, n)}
}

func (f *GELU) Operands() []Tensor { return []Tensor{f.x} }

func (f *GELU) Forward() (Tensor, error) {
	kernels.GELU(f.y.Floats(), Floats(f.x))
	return f.y, nil
}

func (f *GELU) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			kernels.GELUGrad(dx, Floats(gy), Floats(f.x), acc)
		})
	}
	return nil
}

func (f *GELU) reads() (operands, output bool) { return true, false }
