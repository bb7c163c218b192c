package ag

import "github.com/lowrank/lowrank/kernels"

// Mul is the element-wise product y = a∘b.
//
//	da = dy∘b    db = dy∘a
type Mul struct {
	a, b Tensor
	output
}

// NewMul returns the operator for a and b of one shape, that of y.
func NewMul(a, b Tensor) *Mul {
	m, n := sameShape("Mul", "a", a, "b", b)
	return &Mul{a: a, b: b, output: newOutput(m, n)}
}

func (f *Mul) Operands() []Tensor { return []Tensor{f.a, f.b} }

func (f *Mul) Forward() (Tensor, error) {
	kernels.Mul(f.y.Floats(), Floats(f.a), Floats(f.b))
	return f.y, nil
}

func (f *Mul) Backward(gy Tensor) error {
	if f.a.RequiresGrad() {
		mulGrad(f.a, f.b, gy)
	}
	if f.b.RequiresGrad() {
		mulGrad(f.b, f.a, gy)
	}
	return nil
}

// mulGrad gives x the gradient dy∘other.
func mulGrad(x, other, gy Tensor) {
	dy, o := Floats(gy), Floats(other)
	Accumulate(x, func(dx []float32, acc bool) {
		if acc {
			kernels.MulAdd(dx, dy, o)
		} else {
			kernels.Mul(dx, dy, o)
		}
	})
}

func (f *Mul) reads() (operands, output bool) { return true, false }
