package ag

import (
	"sync"

	"github.com/lowrank/lowrank/kernels"
)

// A Half is the values of a matrix in 16 bits each, as a checkpoint has them.
type Half struct {
	Bits []uint16
	F16  bool // IEEE 754 binary16; else bfloat16
}

// decode writes the first values of h, from the given one on.
func (h *Half) decode(x []float32, from int) {
	b := h.Bits[from:][:len(x)]
	if h.F16 {
		kernels.DecodeF16(x, b)
	} else {
		kernels.DecodeBF16(x, b)
	}
}

// pack packs h as an operand with k rows and n columns.
func (h *Half) pack(op kernels.Op, k, n, ld int) *kernels.Packed {
	if h.F16 {
		return kernels.PackF16(op, k, n, h.Bits, ld)
	}
	return kernels.PackBF16(op, k, n, h.Bits, ld)
}

// Values are the values of a tensor, row by row: Floats, or a Half.
type Values struct {
	Floats []float32
	Half   *Half
}

// Len returns how many there are.
func (v Values) Len() int {
	if v.Half != nil {
		return len(v.Half.Bits)
	}
	return len(v.Floats)
}

// NewVariableOf returns a rows×cols matrix of values that it keeps. A Half stays
// as it is until all values are asked for as float32, of which there is then a
// copy: a frozen [Weight] and an [Embedding] ask for no more than they read.
func NewVariableOf(rows, cols int, values Values) *Variable {
	if values.Half == nil {
		return NewVariable(rows, cols, values.Floats)
	}
	if rows < 0 || cols < 0 || values.Len() != rows*cols {
		fail("NewVariable", "%d values for a %d×%d matrix", values.Len(), rows, cols)
	}
	return &Variable{Dense: newDense(0, 0), rows: rows, cols: cols, half: &half{Half: values.Half}}
}

// half is the Half of a variable until it has been decoded.
type half struct {
	mu sync.Mutex
	*Half
}

// Values returns the values as they are kept.
func (v *Variable) Values() Values {
	if v.half != nil {
		v.half.mu.Lock()
		defer v.half.mu.Unlock()
		if v.half.Half != nil {
			return Values{Half: v.half.Half}
		}
	}
	return Values{Floats: v.data}
}

// decode gives the variable its float32 values.
func (v *Variable) decode() {
	v.half.mu.Lock()
	defer v.half.mu.Unlock()
	if v.half.Half == nil {
		return
	}
	full := newDense(v.rows, v.cols)
	full.SetRequiresGrad(v.Dense.RequiresGrad())
	v.data = Floats(full)
	v.half.decode(v.data, 0)
	v.Dense, v.half.Half = full, nil
}

// CopyTo writes values of the variable into x, from the given one on, as
// float32.
func (v *Variable) CopyTo(x []float32, from int) {
	switch values := v.Values(); {
	case values.Half != nil:
		values.Half.decode(x, from)
	default:
		copy(x, values.Floats[from:])
	}
}

// Shape returns rows and columns.
func (v *Variable) Shape() []int {
	if v.half != nil {
		return []int{v.rows, v.cols}
	}
	return v.Dense.Shape()
}

// Size returns the number of values.
func (v *Variable) Size() int { return v.rows * v.cols }
