package ag

import "github.com/lowrank/lowrank/kernels"

// A bias is what each row of a linear map's output begins as, 1×n. Its gradient is
// the sum of the rows of dy.
type bias struct{ b Tensor } // nil: none

// newBias returns the bias b of an operator's output y, which may be nil.
func newBias(op string, b Tensor, y *Variable) bias {
	if b == nil {
		return bias{}
	}
	if r, c := Dims(b); r != 1 || c != y.cols {
		fail(op, "y is %d×%d, its bias is %d×%d: must be 1×%d", y.rows, y.cols, r, c, y.cols)
	}
	return bias{b}
}

// values returns its values, nil for none.
func (f bias) values() []float32 {
	if f.b == nil {
		return nil
	}
	return Floats(f.b)
}

// with returns the operands with the bias, if there is one.
func (f bias) with(operands ...Tensor) []Tensor {
	if f.b != nil {
		operands = append(operands, f.b)
	}
	return operands
}

// begin makes the rows of y begin as the bias, and reports whether there is one.
func (f bias) begin(y *Variable) bool {
	if f.b == nil {
		return false
	}
	kernels.FillRows(y.rows, y.cols, Floats(f.b), y.Floats(), y.cols)
	return true
}

// trained reports whether there is a gradient.
func (f bias) trained() bool { return f.b != nil && f.b.RequiresGrad() }

// backward adds the gradient.
func (f bias) backward(dy []float32) {
	if !f.trained() {
		return
	}
	Accumulate(f.b, func(db []float32, acc bool) {
		if !acc {
			clear(db)
		}
		for n := len(db); len(dy) > 0; dy = dy[n:] {
			kernels.Add(db, db, dy[:n])
		}
	})
}
