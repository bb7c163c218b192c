package ag

import "github.com/lowrank/lowrank/kernels"

// Linear is y = x·Wᵀ with a trained dense weight W, a parameter or another
// operator's output.
//
//	dx = dy·W    dW = dyᵀ·x
type Linear struct {
	x, w       Tensor
	bias       bias
	m, in, out int
	output
}

// NewLinear returns the operator for x M×in and W out×in; y is M×out.
func NewLinear(x, w Tensor) *Linear {
	f := &Linear{x: x, w: w}
	f.m, f.in = Dims(x)
	var c int
	if f.out, c = Dims(w); c != f.in {
		fail("Linear", "x is %d×%d, W is %d×%d: x must have %d columns", f.m, f.in, f.out, c, c)
	}
	f.output = newOutput(f.m, f.out)
	return f
}

// AddBias makes it y = x·Wᵀ + b, for b 1×out or nil for none, and
// returns the operator.
func (f *Linear) AddBias(b Tensor) *Linear {
	f.bias = newBias("Linear", b, f.y)
	return f
}

func (f *Linear) Operands() []Tensor { return f.bias.with(f.x, f.w) }

func (f *Linear) Forward() (Tensor, error) {
	biased := f.bias.begin(f.y)
	kernels.MatMul(kernels.NT, biased, f.m, f.out, f.in, Floats(f.x), f.in, Floats(f.w), f.in, f.y.Floats(), f.out)
	return f.y, nil
}

func (f *Linear) Backward(gy Tensor) error {
	x, w, dy := Floats(f.x), Floats(f.w), Floats(gy)
	f.bias.backward(dy)
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			kernels.MatMul(kernels.NN, acc, f.m, f.in, f.out, dy, f.out, w, f.in, dx, f.in)
		})
	}
	if f.w.RequiresGrad() {
		Accumulate(f.w, func(dw []float32, acc bool) {
			kernels.MatMul(kernels.TN, acc, f.out, f.in, f.m, dy, f.out, x, f.in, dw, f.in)
		})
	}
	return nil
}

func (f *Linear) reads() (operands, output bool) { return true, false }
