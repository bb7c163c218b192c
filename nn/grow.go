package nn

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
)

// A Grower is a model whose tables and outputs can get more rows: ids that the
// checkpoint does not know. [Body] is one.
type Grower interface {
	// Grow appends rows, each as wide as the tensor, to an embedding's table or an
	// output's weight, a row an id, and to those that are tied to it. Graphs are to
	// be built anew.
	Grow(tensor string, rows []float32) error
	// Shrink takes the rows off again that Grow has appended to a tensor.
	Shrink(tensor string)
	// Grown returns how many rows the checkpoint has of each tensor that has grown.
	Grown() map[string]int
}

// Grow implements [Grower].
func (b *Body) Grow(tensor string, rows []float32) error {
	i := slices.IndexFunc(b.params, func(p Param) bool { return p.Name == tensor })
	if i < 0 {
		return fmt.Errorf("nn: no tensor %s", tensor)
	}
	p := b.params[i]
	users := b.users(p.Variable)
	n := p.Cols()
	switch {
	case len(users) == 0:
		return fmt.Errorf("nn: %s is no embedding and no output", tensor)
	case len(rows)%n != 0:
		return fmt.Errorf("nn: %s: %d values for rows of %d", tensor, len(rows), n)
	}
	if b.grown == nil {
		b.grown = map[string]int{}
	}
	if _, ok := b.grown[tensor]; !ok {
		b.grown[tensor] = p.Rows()
	}
	b.replace(i, ag.NewVariable(p.Rows()+len(rows)/n, n, slices.Concat(p.Floats(), rows)), users)
	return nil
}

// Shrink implements [Grower].
func (b *Body) Shrink(tensor string) {
	i := slices.IndexFunc(b.params, func(p Param) bool { return p.Name == tensor })
	rows, ok := b.grown[tensor]
	if i < 0 || !ok {
		return
	}
	p := b.params[i]
	b.replace(i, ag.NewVariable(rows, p.Cols(), slices.Clone(p.Floats()[:rows*p.Cols()])), b.users(p.Variable))
	delete(b.grown, tensor)
}

// Grown implements [Grower].
func (b *Body) Grown() map[string]int { return b.grown }

// users returns the embeddings and outputs whose weight v is.
func (b *Body) users(v *ag.Variable) []*Linear {
	var list []*Linear
	for _, l := range b.linears {
		if l.W == v && (l.Kind == Table || l.Output) {
			list = append(list, l)
		}
	}
	return list
}

// replace makes v the tensor i of the model, and of those that use it.
func (b *Body) replace(i int, v *ag.Variable, users []*Linear) {
	p := &b.params[i]
	v.SetRequiresGrad(p.RequiresGrad())
	p.Variable, p.Shape = v, []int{v.Rows(), v.Cols()}
	for _, l := range users {
		if l.W = v; l.Kind == Table {
			l.In = v.Rows()
		} else {
			l.Out = v.Rows()
			b.resizeBias(l)
		}
		l.Repack()
	}
}

// resizeBias gives an output's bias, where there is one, as many values as it
// has rows: new ones are zero.
func (b *Body) resizeBias(l *Linear) {
	if l.Bias == nil {
		return
	}
	old := l.Bias
	l.Bias = ag.NewVariable(1, l.Out, nil)
	l.Bias.SetRequiresGrad(old.RequiresGrad())
	copy(l.Bias.Floats(), old.Floats())
	for i := range b.params {
		if p := &b.params[i]; p.Variable == old {
			p.Variable, p.Shape = l.Bias, []int{l.Out}
		}
	}
}
