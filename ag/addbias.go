package ag

import "github.com/lowrank/lowrank/kernels"

// AddBias is y_ij = x_ij + b_j. db is the sum of the rows of dy.
type AddBias struct {
	x, b Tensor
	n    int
	output
}

// NewAddBias returns the operator for x M×n and b 1×n; y is M×n.
func NewAddBias(x, b Tensor) *AddBias {
	rowVector("AddBias", "b", b, x)
	m, n := Dims(x)
	return &AddBias{x: x, b: b, n: n, output: newOutput(m, n)}
}

func (f *AddBias) Operands() []Tensor { return []Tensor{f.x, f.b} }

func (f *AddBias) Forward() (Tensor, error) {
	x, b := Floats(f.x), Floats(f.b)
	for i := range f.y.rows {
		kernels.Add(f.y.row(i), x[i*f.n:][:f.n], b)
	}
	return f.y, nil
}

func (f *AddBias) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		f.x.AccGrad(gy)
	}
	if f.b.RequiresGrad() {
		dy := Floats(gy)
		Accumulate(f.b, func(db []float32, acc bool) {
			if !acc {
				clear(db)
			}
			for i := range f.y.rows {
				kernels.Add(db, db, dy[i*f.n:][:f.n])
			}
		})
	}
	return nil
}

func (f *AddBias) reads() (operands, output bool) { return false, false }
