package ag

import "github.com/lowrank/lowrank/kernels"

// Columns is y_ij = x_i,from+j, a block of the columns of x. The gradient of x is
// dy there and 0 elsewhere.
type Columns struct {
	x       Tensor
	from, n int
	output
}

// NewColumns returns the operator for x M×m with from+n ≤ m; y is M×n.
func NewColumns(x Tensor, from, n int) *Columns {
	rows, m := Dims(x)
	if from < 0 || n < 0 || n > m-from {
		fail("Columns", "x is %d×%d: has no %d columns from column %d", rows, m, n, from)
	}
	return &Columns{x: x, from: from, n: n, output: newOutput(rows, n)}
}

func (f *Columns) Operands() []Tensor { return []Tensor{f.x} }

// block returns the part of row i of x, or of its gradient, that is row i of y.
func (f *Columns) block(x []float32, i int) []float32 {
	m := len(x) / f.y.rows
	return x[i*m+f.from:][:f.n]
}

func (f *Columns) Forward() (Tensor, error) {
	x, y := Floats(f.x), f.y.Floats()
	for i := range f.y.rows {
		copy(y[i*f.n:][:f.n], f.block(x, i))
	}
	return f.y, nil
}

func (f *Columns) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	dy := Floats(gy)
	Accumulate(f.x, func(dx []float32, acc bool) {
		if !acc {
			clear(dx)
		}
		for i := range f.y.rows {
			b := f.block(dx, i)
			kernels.Add(b, b, dy[i*f.n:][:f.n])
		}
	})
	return nil
}
