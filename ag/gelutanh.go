package ag

import "github.com/lowrank/lowrank/kernels"

// GELUTanh is y = ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), element-wise, the
// approximation of [GELU] that GPT-2 and others were trained with (arXiv
// 1606.08415, section 2).
type GELUTanh struct {
	x Tensor
	output
}

// NewGELUTanh returns the operator; y has the shape of x.
func NewGELUTanh(x Tensor) *GELUTanh {
	m, n := Dims(x)
	return &GELUTanh{x: x, output: newOutput(m, n)}
}

func (f *GELUTanh) Operands() []Tensor { return []Tensor{f.x} }

func (f *GELUTanh) Forward() (Tensor, error) {
	kernels.GELUTanh(f.y.Floats(), Floats(f.x))
	return f.y, nil
}

func (f *GELUTanh) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			kernels.GELUTanhGrad(dx, Floats(gy), Floats(f.x), acc)
		})
	}
	return nil
}

func (f *GELUTanh) reads() (operands, output bool) { return true, false }
