package nn

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
)

// A Builder asks a source for the tensors of modules, once each, in the order
// of the calls, which is that of the forward pass. After the first error, which
// [Builder.Body] returns, it still asks for the others, so that a source can
// tell all that is wrong; what it then returns is not to be used.
type Builder struct {
	// Module, where there is one, returns the name of a module or tensor in the
	// tree of modules, by which adapters know it, for that in the checkpoint.
	Module func(name string) string

	source Source
	body   Body
	err    error
}

// NewBuilder returns a builder of frozen modules with the source's tensors.
func NewBuilder(source Source) *Builder { return &Builder{source: source} }

// Body returns what was built, or the first error.
func (b *Builder) Body() (Body, error) { return b.body, b.err }

// Lacks reports whether the source says that it has no such tensor.
func (b *Builder) Lacks(name string) bool {
	l, ok := b.source.(Lister)
	return ok && !l.Has(name)
}

// holds reports whether the source says that it has such a tensor.
func (b *Builder) holds(name string) bool {
	l, ok := b.source.(Lister)
	return ok && l.Has(name)
}

// Tensor returns the tensor of a checkpoint name. One dimension is a row; of
// more, all but the last count as rows.
func (b *Builder) Tensor(name string, shape ...int) *ag.Variable {
	rows, cols := 1, shape[len(shape)-1]
	for _, n := range shape[:len(shape)-1] {
		rows *= n
	}
	return b.matrix(name, rows, cols, shape)
}

// matrix returns the tensor as rows×cols.
func (b *Builder) matrix(name string, rows, cols int, shape []int) *ag.Variable {
	values, ok := b.values(name, shape)
	if !ok {
		return nil
	}
	return b.add(Param{Name: name, Variable: ag.NewVariableOf(rows, cols, values), Shape: shape})
}

func (b *Builder) add(p Param) *ag.Variable {
	if b.Module != nil {
		p.Module = b.Module(p.Name)
	}
	b.body.params = append(b.body.params, p)
	return p.Variable
}

// values asks the source, and reports whether there has been no error.
func (b *Builder) values(name string, shape []int) (ag.Values, bool) {
	values, err := b.source.Tensor(name, shape...)
	n := 1
	for _, d := range shape {
		n *= d
	}
	if err == nil && b.err == nil && values.Len() != n {
		err = fmt.Errorf("nn: %s: the source gave %d values for the shape %v", name, values.Len(), shape)
	}
	if b.err == nil {
		b.err = err
	}
	return values, b.err == nil
}

// Linear returns the map of the module name: name.weight [out, in] and, with
// bias, name.bias [out].
func (b *Builder) Linear(name string, out, in int, bias bool) *Linear {
	l := &Linear{Name: name, Out: out, In: in}
	if values, ok := b.values(name+".weight", []int{out, in}); ok {
		values, ok = b.keep(name+".weight", out, in, values)
		if ok {
			l.W = b.add(Param{Name: name + ".weight", Variable: ag.NewVariableOf(out, in, values), Shape: []int{out, in}})
		}
	}
	if bias {
		l.Bias = b.Tensor(name+".bias", out)
	}
	return b.linear(l)
}

// keep has a source that is a [Keeper] choose the format of a weight.
func (b *Builder) keep(name string, out, in int, values ag.Values) (ag.Values, bool) {
	if k, ok := b.source.(Keeper); ok {
		var err error
		if values, err = k.Keep(name, out, in, values); err != nil && b.err == nil {
			b.err = err
		}
	}
	return values, b.err == nil
}

// Transposed returns the map of a module whose checkpoint has name.weight
// [in, out], the transpose of the usual (Conv1D in GPT-2), and name.bias [out].
func (b *Builder) Transposed(name string, out, in int) *Linear {
	l := &Linear{Name: name, Out: out, In: in, FanInFanOut: true}
	if values, ok := b.values(name+".weight", []int{in, out}); ok {
		if values.Stored == nil || values.Stored.Rows != out { // else a copy of a model that has it so
			all := transposed(in, out, values.All())
			values.Release()
			values = ag.Values{Floats: all}
		}
		if values, ok = b.keep(name+".weight", out, in, values); ok {
			v := ag.NewVariableOf(out, in, values)
			l.W = b.add(Param{Name: name + ".weight", Variable: v, Shape: []int{in, out}, Transposed: true})
		}
	}
	l.Bias = b.Tensor(name+".bias", out)
	return b.linear(l)
}

// Embedding returns the table of the module name: name.weight [rows, n]. The rows
// of the padding's ids get no gradient from a lookup; one that is negative is none.
func (b *Builder) Embedding(name string, rows, n int, padding ...int) *Embedding {
	l := &Linear{Name: name, Out: n, In: rows, Kind: Table, W: b.Tensor(name+".weight", rows, n)}
	for _, id := range padding {
		if id >= 0 {
			l.Padding = append(l.Padding, int32(id))
		}
	}
	return &Embedding{Linear: b.linear(l)}
}

// TiedEmbedding returns the table of the module name whose weight is that of e.
func (b *Builder) TiedEmbedding(name string, e *Embedding) *Embedding {
	return &Embedding{Linear: b.linear(&Linear{Name: name, Out: e.Out, In: e.In, Kind: Table, W: e.W, Tied: e.Linear, Padding: e.Padding})}
}

// Conv2D returns the convolution of the module name, over windows as w says:
// name.weight [out, channels, height, width] and, with bias, name.bias [out].
func (b *Builder) Conv2D(name string, out int, w ag.Window, bias bool) *Conv2D {
	kernel := []int{w.Channels, w.KernelHeight, w.KernelWidth}
	in := w.Channels * w.KernelHeight * w.KernelWidth
	l := &Linear{Name: name, Out: out, In: in, Kind: Convolution, Kernel: kernel}
	shape := append([]int{out}, kernel...)
	l.W = b.matrix(name+".weight", out, in, shape)
	if bias {
		l.Bias = b.Tensor(name+".bias", out)
	}
	return &Conv2D{Linear: b.linear(l), Window: w}
}

// Output returns the map of the module name that makes logits, without a bias:
// name.weight [out, in].
func (b *Builder) Output(name string, out, in int) *Linear {
	return b.linear(&Linear{Name: name, Out: out, In: in, Output: true, W: b.Tensor(name+".weight", out, in)})
}

// TiedOutput returns the map of the module name whose weight is the table e,
// rows×n. Where the source has a tensor of that name and it differs from the
// table, the map has it, whatever the configuration says, as in transformers.
func (b *Builder) TiedOutput(name string, e *Embedding) *Linear {
	if weight := name + ".weight"; b.holds(weight) {
		values, ok := b.values(weight, []int{e.In, e.Out})
		if own := ag.NewVariableOf(e.In, e.Out, values); ok && !equal(own, e.W) {
			w := b.add(Param{Name: weight, Variable: own, Shape: []int{e.In, e.Out}})
			return b.linear(&Linear{Name: name, Out: e.In, In: e.Out, W: w, Output: true})
		}
	}
	return b.linear(&Linear{Name: name, Out: e.In, In: e.Out, W: e.W, Output: true, Tied: e.Linear})
}

// equal compares two matrices of one shape bit for bit.
func equal(a, b *ag.Variable) bool {
	x, y := a.Values(), b.Values()
	if x.Stored != nil && y.Stored != nil && x.Stored.Format == y.Stored.Format && x.Stored.Words != nil {
		return slices.Equal(x.Stored.Words, y.Stored.Words)
	}
	return slices.Equal(x.All(), y.All())
}

func (b *Builder) linear(l *Linear) *Linear {
	if b.Module != nil {
		if name := b.Module(l.Name); name != l.Name {
			l.Name, l.Old = name, l.Name
		}
	}
	_, l.Streamed = b.source.(Keeper)
	b.body.streamed = l.Streamed
	b.body.linears = append(b.body.linears, l)
	return l
}

// LayerNorm returns the norm of the module name: name.weight and name.bias [n].
func (b *Builder) LayerNorm(name string, n int, eps float64) *LayerNorm {
	return &LayerNorm{Name: name, W: b.Tensor(name+".weight", n), Bias: b.Tensor(name+".bias", n), Eps: float32(eps)}
}

// RMSNorm returns the norm of the module name: name.weight [n].
func (b *Builder) RMSNorm(name string, n int, eps float64) *RMSNorm {
	return &RMSNorm{Name: name, W: b.Tensor(name+".weight", n), Eps: float32(eps)}
}
