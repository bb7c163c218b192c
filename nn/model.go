package nn

import "github.com/lowrank/lowrank/ag"

// A Model is what training and adaptation see of a model family.
type Model interface {
	// Forward builds the outputs: logits, a row a token or a row a sequence, or
	// features. It panics with an [*ag.ShapeError] where Check returns an error.
	Forward(c *Context) ag.Tensor
	// Check returns an error when the context's inputs do not fit the model. New
	// inputs must pass it before each replay.
	Check(c *Context) error
	// Task is what the outputs are.
	Task() Task
	// Linears returns the linear maps of all modules, in forward order:
	// embeddings, convolutions and the output among them.
	Linears() []*Linear
	// Params returns every tensor of the model under its checkpoint name, in
	// a fixed order; a tied tensor stands once.
	Params() []Param
	// Clone returns a model with its own copy of every tensor, frozen and
	// without adapters.
	Clone() Model
}

// A Param is a model's tensor under its checkpoint name.
type Param struct {
	Name string
	*ag.Variable
	Shape []int // as the checkpoint has it; norms are [n] while the Variable is 1×n
	// Module is the name of the tensor in the tree of modules, by which adapters
	// know it, where the checkpoint's is another: see [Param.Path].
	Module string
	// Transposed: the checkpoint has the transpose, in×out, of what the Variable
	// is (the weights of GPT-2).
	Transposed bool
}

// Path returns the name of the tensor in the tree of modules, its module's and
// its own: model.norm.weight.
func (p Param) Path() string {
	if p.Module != "" {
		return p.Module
	}
	return p.Name
}

// Parameters returns the number of values of a model's tensors.
func Parameters(m Model) int64 {
	var n int64
	for _, p := range m.Params() {
		n += int64(p.Size())
	}
	return n
}

// Stored returns x, values or a gradient of the Variable, in the order that the
// checkpoint has: x itself unless the tensor is Transposed.
func (p Param) Stored(x []float32) []float32 {
	if !p.Transposed || x == nil {
		return x
	}
	return transposed(p.Rows(), p.Cols(), x)
}

// FromStored returns x, values in the order that the checkpoint has, in that of
// the Variable.
func (p Param) FromStored(x []float32) []float32 {
	if !p.Transposed || x == nil {
		return x
	}
	return transposed(p.Cols(), p.Rows(), x)
}

// transposed returns xᵀ, cols×rows, for x rows×cols.
func transposed(rows, cols int, x []float32) []float32 {
	t := make([]float32, len(x))
	transpose(t, rows, cols, x)
	return t
}

// transpose writes xᵀ into t, cols×rows, for x rows×cols.
func transpose(t []float32, rows, cols int, x []float32) {
	const block = 16 // rows of x that stay in the cache while their columns are written
	for i0 := 0; i0 < rows; i0 += block {
		for j := range cols {
			for i := i0; i < min(i0+block, rows); i++ {
				t[j*rows+i] = x[i*cols+j]
			}
		}
	}
}
