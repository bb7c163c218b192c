package ag

import (
	"fmt"
	"sync"

	"github.com/lowrank/lowrank/kernels"
	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"
)

// Tensor is spago's tensor: an operator's result, a [*Variable], a spago
// matrix or parameter.
type Tensor = mat.Tensor

// Function is a differentiable function of tensors, spago's AutoGradFunction.
type Function = ag.AutoGradFunction

// A Variable is a rows×cols float32 matrix that owns its gradient buffer: a
// spago matrix in all else. The first gradient written after ZeroGrad
// overwrites the buffer, later ones add to it, so a parameter's buffer lives
// as long as the parameter and nothing is allocated per step.
type Variable struct {
	*mat.Dense[float32]
	rows, cols int
	data       []float32
	shared     bool                 // data is another variable's too
	lazy       bool                 // data is still to be made
	fill       func(data []float32) // makes it; nil: what an operator writes
	product    *FrozenLinear        // whose output this is
	lent       int                  // data is the block's of a tape of this number, from 1, until others use it; 0: its own
	stored     *stored              // nil: data has been there from the start
	release    func()               // of the values that were given, see [Values]

	mu     sync.Mutex          // spago's own Backward writes gradients concurrently
	ws     *Workspace          // where an output and its gradient lie; nil: in memory of its own
	grad   *mat.Dense[float32] // the buffer, or nil before the first gradient and after a lent one went back
	has    bool
	retain bool
	watch  func(g []float32)
}

// NewVariable returns a rows×cols matrix over data, which it keeps and does
// not copy; nil data stands for zeros. It requires no gradient.
func NewVariable(rows, cols int, data []float32) *Variable {
	if rows < 0 || cols < 0 {
		fail("NewVariable", "%d×%d: sizes must not be negative", rows, cols)
	}
	if data == nil {
		data = make([]float32, rows*cols)
	}
	if len(data) != rows*cols {
		fail("NewVariable", "%d values for a %d×%d matrix", len(data), rows, cols)
	}
	return &Variable{
		Dense: mat.NewDense[float32](mat.WithShape(rows, cols), mat.WithBacking(data)),
		rows:  rows, cols: cols, data: data,
	}
}

// NewParameter is NewVariable for a matrix that is trained: it requires a
// gradient.
func NewParameter(rows, cols int, data []float32) *Variable {
	v := NewVariable(rows, cols, data)
	v.SetRequiresGrad(true)
	return v
}

// Rows and Cols give the shape.
func (v *Variable) Rows() int { return v.rows }
func (v *Variable) Cols() int { return v.cols }

// Floats returns the values themselves, row by row.
func (v *Variable) Floats() []float32 {
	v.settle()
	return v.data
}

// settle makes the values that are still to be made.
func (v *Variable) settle() {
	switch {
	case v.lazy:
		v.lazy = false
		if v.data == nil {
			v.bind(v.floats(v.rows * v.cols))
		}
		if v.fill != nil {
			v.fill(v.data)
		}
	case v.stored != nil:
		v.decode()
	}
}

// floats returns memory for n values that belong to v.
func (v *Variable) floats(n int) []float32 {
	if v.ws == nil {
		return make([]float32, n)
	}
	return v.ws.floats(n)
}

// row returns row i of the values.
func (v *Variable) row(i int) []float32 { return v.Floats()[i*v.cols:][:v.cols] }

// GradFloats returns the gradient itself, or nil when there is none.
func (v *Variable) GradFloats() []float32 {
	if !v.has {
		return nil
	}
	return mat.Data[float32](v.grad)
}

// Retain keeps the gradient of an operator's output after the backward pass,
// until the next one.
func (v *Variable) Retain() { v.retain = true }

// Watch makes a backward pass of a tape call f with the gradient of an operator's
// output, of that tape, as soon as it is whole: f may read it until it returns.
// Nil ends it.
func (v *Variable) Watch(f func(g []float32)) { v.watch = f }

// Value returns v itself.
func (v *Variable) Value() mat.Tensor {
	v.settle() // spago's functions read the matrix
	return v
}

// HasGrad reports whether a gradient was written since ZeroGrad.
func (v *Variable) HasGrad() bool { return v.has }

// ZeroGrad forgets the gradient. A buffer of the variable's own is kept for
// the next one; one from a workspace goes back there.
func (v *Variable) ZeroGrad() {
	v.has = false
	if v.ws != nil && v.grad != nil {
		v.ws.Put(v.grad)
		v.grad = nil
	}
}

// TakeGrad returns the gradient, which is the caller's from then on, or nil when
// there is none, and leaves the variable without a buffer.
func (v *Variable) TakeGrad() []float32 {
	g := v.GradFloats()
	v.has, v.grad = false, nil
	return g
}

// Grad returns the gradient, or nil when there is none.
func (v *Variable) Grad() mat.Tensor {
	if !v.has {
		return nil
	}
	return v.grad
}

// AccGrad adds g, of the variable's shape, to the gradient.
func (v *Variable) AccGrad(g mat.Tensor) {
	if g == written {
		return // the buffer was written by Accumulate
	}
	src := Floats(g)
	if len(src) != v.Size() {
		panic(fmt.Sprintf("ag: AccGrad: the gradient has %d values, the matrix is %d×%d", len(src), v.rows, v.cols))
	}
	v.accumulate(func(dst []float32, acc bool) {
		if acc {
			kernels.Add(dst, dst, src)
		} else {
			kernels.Copy(dst, src)
		}
	})
}

// accumulate lets write put a gradient into the buffer.
func (v *Variable) accumulate(write func(g []float32, acc bool)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	write(v.sink())
	v.has = true
}

// sink returns the gradient buffer, and whether it holds a gradient already.
func (v *Variable) sink() (buf []float32, acc bool) {
	if v.grad == nil {
		if v.ws != nil {
			v.grad = v.ws.Get(v.rows, v.cols)
		} else {
			v.grad = newDense(v.rows, v.cols)
		}
	}
	return mat.Data[float32](v.grad), v.has
}

// Floats returns the values of a float32 tensor themselves, row by row.
func Floats(x Tensor) []float32 {
	switch t := x.(type) {
	case *Variable:
		return t.Floats()
	case *mat.Dense[float32]:
		return mat.Data[float32](t)
	case *ag.Operator:
		return Floats(t.Value())
	}
	if v, ok := x.Value().(*Variable); ok { // a parameter that wraps it
		return v.Floats()
	}
	return x.Data().F32()
}

// Dims returns the rows and columns of a tensor.
func Dims(x Tensor) (rows, cols int) {
	switch t := x.(type) {
	case *Variable:
		return t.rows, t.cols
	case *ag.Operator:
		return Dims(t.Value())
	}
	s := x.Shape()
	if len(s) != 2 {
		fail("Dims", "a tensor of shape %v: must have two dimensions", s)
	}
	return s[0], s[1]
}
