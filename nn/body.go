package nn

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
)

// A Body is the tensors and the linear maps of a model, in forward order.
type Body struct {
	params  []Param
	linears []*Linear
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

// Copy returns a source of copies of the tensors.
func (b *Body) Copy() Source {
	c := copies{}
	for _, p := range b.params {
		c[p.Name] = p
	}
	return c
}

// copies are tensors by their names.
type copies map[string]Param

func (c copies) Has(name string) bool {
	_, ok := c[name]
	return ok
}

func (c copies) Tensor(name string, _ ...int) (ag.Values, error) {
	p, ok := c[name]
	if !ok {
		return ag.Values{}, fmt.Errorf("nn: %s is missing", name)
	}
	values := p.Values()
	if values.Half == nil { // of which nothing is ever overwritten
		values.Floats = slices.Clone(p.Stored(values.Floats))
	}
	return values, nil
}
