package nn

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
)

// A Body is the tensors and the linear maps of a model, in forward order.
type Body struct {
	params   []Param
	linears  []*Linear
	streamed bool           // no weight is packed for good
	grown    map[string]int // rows that the checkpoint has of the tensors that have more
}

// Params returns every tensor under its checkpoint name, in forward order; a
// tied tensor stands once.
func (b *Body) Params() []Param { return b.params }

// Linears returns the linear maps of all modules, in forward order.
func (b *Body) Linears() []*Linear { return b.linears }

// SetTrained makes all tensors trained, or frozen, for graphs that are built
// from now on. A new model is frozen.
func (b *Body) SetTrained(trained bool) {
	for _, p := range b.params {
		p.SetRequiresGrad(trained)
	}
	for _, l := range b.linears {
		l.Repack() // training has changed the values
	}
}

// Copy returns a source of copies of the tensors, with as many rows as the
// checkpoint has.
func (b *Body) Copy() Source {
	if b.streamed {
		return kept{copies{b}}
	}
	return copies{b}
}

// kept are copies in the formats that the tensors have.
type kept struct{ copies }

func (kept) Keep(_ string, _, _ int, values ag.Values) (ag.Values, error) { return values, nil }

// copies are the tensors of a body.
type copies struct{ *Body }

func (c copies) find(name string) int {
	return slices.IndexFunc(c.params, func(p Param) bool { return p.Name == name })
}

func (c copies) Has(name string) bool { return c.find(name) >= 0 }

func (c copies) Tensor(name string, shape ...int) (ag.Values, error) {
	i := c.find(name)
	if i < 0 {
		return ag.Values{}, fmt.Errorf("nn: %s is missing", name)
	}
	p, n := c.params[i], 1
	for _, d := range shape {
		n *= d
	}
	values := p.Values()
	if values.Stored == nil { // of which nothing is ever overwritten
		x := p.Stored(values.Floats)
		return ag.Values{Floats: slices.Clone(x[:min(n, len(x))])}, nil // what it has grown by stands behind
	}
	return values, nil
}
