package ag

import (
	"github.com/lowrank/lowrank/kernels"
	"github.com/nlpodyssey/spago/ag"
)

// Reshape is x seen as a matrix of another shape, with the same values in the
// same order: M×(H·d) as (M·H)×d, where a norm of the rows is one of each head.
// The gradient is dy in the shape of x.
type Reshape struct {
	x Tensor
	output
}

// NewReshape returns the operator for x of rows·cols values; y is rows×cols. Of
// a [Variable] and of an operator's output y shares the values; those of other
// tensors it copies in each Forward.
func NewReshape(x Tensor, rows, cols int) *Reshape {
	m, n := Dims(x)
	if rows < 0 || cols < 0 || rows*cols != m*n {
		fail("Reshape", "x is %d×%d, y is %d×%d: both must have as many values", m, n, rows, cols)
	}
	f := &Reshape{x: x, output: newOutput(rows, cols)}
	f.y.shared = sharable(x)
	return f
}

// sharable reports whether the values of x are a variable's.
func sharable(x Tensor) bool {
	if op, ok := x.(*ag.Operator); ok {
		x = op.Value()
	}
	_, ok := x.(*Variable)
	return ok
}

func (f *Reshape) Operands() []Tensor { return []Tensor{f.x} }

func (f *Reshape) Forward() (Tensor, error) {
	if f.y.shared {
		f.y.bind(Floats(f.x))
		f.y.lent = f.x.Value().(*Variable).lent
	} else {
		copy(f.y.Floats(), Floats(f.x))
	}
	return f.y, nil
}

func (f *Reshape) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		dy := Floats(gy)
		Accumulate(f.x, func(dx []float32, acc bool) {
			if acc {
				kernels.Add(dx, dx, dy)
			} else {
				copy(dx, dy)
			}
		})
	}
	return nil
}
