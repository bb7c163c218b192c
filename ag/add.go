package ag

import "github.com/lowrank/lowrank/kernels"

// Add is y = a + b.
type Add struct {
	a, b Tensor
	output
}

// NewAdd returns the operator for a and b of one shape, that of y.
func NewAdd(a, b Tensor) *Add {
	m, n := sameShape("Add", "a", a, "b", b)
	return &Add{a: a, b: b, output: newOutput(m, n)}
}

func (f *Add) Operands() []Tensor { return []Tensor{f.a, f.b} }

func (f *Add) Forward() (Tensor, error) {
	kernels.Add(f.y.Floats(), Floats(f.a), Floats(f.b))
	return f.y, nil
}

func (f *Add) Backward(gy Tensor) error {
	f.pass(gy, f.a, f.b)
	return nil
}

func (f *Add) reads() (operands, output bool) { return false, false }
