package ag

// FrozenLinear is y = x·W0ᵀ with a frozen weight, and dx = dy·W0.
type FrozenLinear struct {
	x    Tensor
	w    *Weight
	bias bias
	m    int
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

// AddBias makes it y = x·W0ᵀ + b, for b 1×out or nil for none, and
// returns the operator.
func (f *FrozenLinear) AddBias(b Tensor) *FrozenLinear {
	f.bias = newBias("FrozenLinear", b, f.y)
	return f
}

func (f *FrozenLinear) Operands() []Tensor { return f.bias.with(f.x) }

func (f *FrozenLinear) Forward() (Tensor, error) {
	if f.y.fill != nil {
		f.y.lazy = true
		return f.y, nil
	}
	f.forward(f.m, Floats(f.x), f.y.Floats())
	return f.y, nil
}

// forward writes y for m rows of x.
func (f *FrozenLinear) forward(m int, x, y []float32) {
	f.w.forward(m, x, 0, nil, nil, f.bias.values(), y)
}

// Postpone makes y be computed when it is asked for, of what x then holds, and gives
// up what it has. It returns the operator. A [CrossEntropy] of many logits never asks,
// see tiledLoss.
func (f *FrozenLinear) Postpone() *FrozenLinear {
	f.y.fill = func(y []float32) { f.forward(f.m, Floats(f.x), y) }
	f.y.forget()
	return f
}

func (f *FrozenLinear) Backward(gy Tensor) error {
	f.bias.backward(Floats(gy))
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			f.w.backward(acc, f.m, Floats(gy), 0, nil, nil, dx)
		})
	}
	return nil
}

func (f *FrozenLinear) reads() (operands, output bool) { return false, false }
