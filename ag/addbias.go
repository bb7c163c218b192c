package ag

import "github.com/lowrank/lowrank/kernels"

// AddBias is y_ij = x_ij + b_j. db is the sum of the rows of dy.
type AddBias struct {
	x    Tensor
	bias bias
	n    int
	output
}

// NewAddBias returns the operator for x M×n and b 1×n; y is M×n.
func NewAddBias(x, b Tensor) *AddBias {
	rowVector("AddBias", "b", b, x)
	m, n := Dims(x)
	return &AddBias{x: x, bias: bias{b}, n: n, output: newOutput(m, n)}
}

func (f *AddBias) Operands() []Tensor { return f.bias.with(f.x) }

func (f *AddBias) Forward() (Tensor, error) {
	x, b := Floats(f.x), f.bias.values()
	for i := range f.y.rows {
		kernels.Add(f.y.row(i), x[i*f.n:][:f.n], b)
	}
	return f.y, nil
}

func (f *AddBias) Backward(gy Tensor) error {
	f.bias.backward(Floats(gy))
	f.pass(gy, f.x)
	return nil
}

func (f *AddBias) reads() (operands, output bool) { return false, false }
