package ag

// FrozenLinear is y = x·W0ᵀ with a frozen weight, and dx = dy·W0.
type FrozenLinear struct {
	x Tensor
	w *Weight
	m int
	output
}

// NewFrozenLinear returns the operator for x M×in and w out×in; y is M×out.
func NewFrozenLinear(x Tensor, w *Weight) *FrozenLinear {
	m, in := Dims(x)
	if in != w.In {
		fail("FrozenLinear", "x is %d×%d, W0 is %d×%d: x must have %d columns", m, in, w.Out, w.In, w.In)
	}
	f := &FrozenLinear{x: x, w: w, m: m, output: newOutput(m, w.Out)}
	f.y.product = f
	return f
}

func (f *FrozenLinear) Operands() []Tensor { return []Tensor{f.x} }

func (f *FrozenLinear) Forward() (Tensor, error) {
	if f.y.fill != nil {
		f.y.lazy = true
		return f.y, nil
	}
	f.w.forward(f.m, Floats(f.x), 0, nil, nil, f.y.Floats())
	return f.y, nil
}

// postpone makes y be computed when it is asked for, and gives up what it has.
func (f *FrozenLinear) postpone() {
	f.y.fill = func(y []float32) { f.w.forward(f.m, Floats(f.x), 0, nil, nil, y) }
	f.y.forget()
}

func (f *FrozenLinear) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			f.w.backward(acc, f.m, Floats(gy), 0, nil, nil, dx)
		})
	}
	return nil
}

func (f *FrozenLinear) reads() (operands, output bool) { return false, false }
