package ag

import (
	"sync"

	"github.com/lowrank/lowrank/kernels"
)

// Values are the values of a tensor, row by row: Floats, or a matrix in a format
// of fewer bits.
type Values struct {
	Floats []float32
	Stored *kernels.Stored
	// Forget, where there is a file behind the memory, lets the system drop what of
	// it nobody has written to, to be read again when it is touched.
	Forget func()
	// Passed says that nobody else has Floats: a weight lets go of them once they are
	// packed.
	Passed bool
}

// Release calls Forget, where there is one: the values are not needed for a while.
func (v Values) Release() {
	if v.Forget != nil {
		v.Forget()
	}
}

// Len returns how many there are.
func (v Values) Len() int {
	if v.Stored != nil {
		return v.Stored.Len()
	}
	return len(v.Floats)
}

// Bytes returns the memory that they take.
func (v Values) Bytes() int {
	if v.Stored != nil {
		return v.Stored.Bytes()
	}
	return 4 * len(v.Floats)
}

// Decode writes them to x as float32, from the given one on.
func (v Values) Decode(x []float32, from int) {
	if v.Stored == nil {
		copy(x, v.Floats[from:])
		return
	}
	const part = 1 << 16
	if len(x) <= part {
		v.Stored.Decode(x, from)
		return
	}
	kernels.Parallel((len(x)+part-1)/part, func(i int) {
		v.Stored.Decode(x[i*part:min(len(x), (i+1)*part)], from+i*part)
	})
}

// All returns them as float32: Floats itself, or a new slice.
func (v Values) All() []float32 {
	if v.Stored == nil {
		return v.Floats
	}
	x := make([]float32, v.Len())
	v.Decode(x, 0)
	return x
}

// NewVariableOf returns a rows×cols matrix of values that it keeps. What is Stored
// stays as it is until all values are asked for as float32, of which there is then
// a copy: a frozen [Weight] and an [Embedding] ask for no more than they read.
func NewVariableOf(rows, cols int, values Values) *Variable {
	if values.Stored == nil {
		v := NewVariable(rows, cols, values.Floats)
		v.release = values.Forget
		return v
	}
	if rows < 0 || cols < 0 || values.Len() != rows*cols {
		fail("NewVariable", "%d values for a %d×%d matrix", values.Len(), rows, cols)
	}
	return &Variable{Dense: newDense(0, 0), rows: rows, cols: cols, stored: &stored{Stored: values.Stored}, release: values.Forget}
}

// stored is what a variable keeps until it has been decoded.
type stored struct {
	mu sync.Mutex
	*kernels.Stored
}

// Values returns the values as they are kept.
func (v *Variable) Values() Values {
	if v.stored == nil {
		return Values{Floats: v.Floats(), Forget: v.release}
	}
	v.stored.mu.Lock()
	defer v.stored.mu.Unlock()
	if v.stored.Stored != nil {
		return Values{Stored: v.stored.Stored, Forget: v.release}
	}
	return Values{Floats: v.data}
}

// SetValues makes a frozen variable, which has no gradient, keep other values.
// Operators that were built on it are not to be used any more.
func (v *Variable) SetValues(values Values) {
	w := NewVariableOf(v.rows, v.cols, values)
	w.SetRequiresGrad(v.RequiresGrad())
	v.Dense, v.data, v.stored, v.release, v.grad, v.has = w.Dense, w.data, w.stored, w.release, nil, false
}

// decode gives the variable its float32 values.
func (v *Variable) decode() {
	v.stored.mu.Lock()
	defer v.stored.mu.Unlock()
	if v.stored.Stored == nil {
		return
	}
	full := newDense(v.rows, v.cols)
	full.SetRequiresGrad(v.Dense.RequiresGrad())
	v.data = Floats(full)
	Values{Stored: v.stored.Stored}.Decode(v.data, 0)
	v.Dense, v.stored.Stored = full, nil
}

// CopyTo writes values of the variable into x, from the given one on, as
// float32.
func (v *Variable) CopyTo(x []float32, from int) { v.Values().Decode(x, from) }

// Shape returns rows and columns.
func (v *Variable) Shape() []int {
	if v.stored != nil || v.lazy {
		return []int{v.rows, v.cols}
	}
	return v.Dense.Shape()
}

// Size returns the number of values.
func (v *Variable) Size() int { return v.rows * v.cols }
