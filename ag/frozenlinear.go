package ag

import "github.com/lowrank/lowrank/kernels"

// FrozenLinear is y = x·W0ᵀ with a frozen weight, and dx = dy·W0.
type FrozenLinear struct {
	x Tensor
	w *Weight
	m int
	y *Variable
}

// NewFrozenLinear returns the operator for x M×in and w out×in; y is M×out.
func NewFrozenLinear(x Tensor, w *Weight) *FrozenLinear {
	m, in := Dims(x)
	if in != w.In {
		fail("FrozenLinear", "x is %d×%d, W0 is %d×%d: x must have %d columns", m, in, w.Out, w.In, w.In)
	}
	return &FrozenLinear{x: x, w: w, m: m, y: NewVariable(m, w.Out, nil)}
}

func (f *FrozenLinear) Operands() []Tensor { return []Tensor{f.x} }

func (f *FrozenLinear) Forward() (Tensor, error) {
	kernels.MatMulPacked(false, f.m, Floats(f.x), f.w.In, f.w.Forward(), f.y.data, f.w.Out)
	return f.y, nil
}

func (f *FrozenLinear) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			kernels.MatMulPacked(acc, f.m, Floats(gy), f.w.Out, f.w.Backward(), dx, f.w.In)
		})
	}
	return nil
}
