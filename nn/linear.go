package nn

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/nlpodyssey/spago/nn"
)

// A Linear is the map y = x·Wᵀ + b with W out×in. Its weight is trained when
// it requires a gradient as the graph is built; a frozen one is packed once.
// An Adapter, when there is one, computes the map in its stead.
type Linear struct {
	nn.Module
	Name    string // of the module: model.layers.0.self_attn.q_proj
	In, Out int
	W       *ag.Variable // out×in  Name + ".weight"
	Bias    *ag.Variable // 1×out   Name + ".bias"; may be nil
	Adapter Adapter      // nil: none

	frozen *ag.Weight
}

// An Adapter computes an adapted linear map.
type Adapter interface {
	Forward(c *Context, x ag.Tensor) ag.Tensor
}

// NewLinear returns a frozen map without bias over w, out×in row by row.
func NewLinear(name string, out, in int, w []float32) *Linear {
	return &Linear{Name: name, In: in, Out: out, W: ag.NewVariable(out, in, w)}
}

// Frozen returns the weight in the packed form that a frozen map uses. It
// shares the values of W; after they change, [Linear.Repack] must be called.
func (l *Linear) Frozen() *ag.Weight {
	if l.frozen == nil {
		l.frozen = ag.NewWeight(l.Out, l.In, l.W.Floats())
	}
	return l.frozen
}

// Repack drops the packed form, after the values of W have changed.
func (l *Linear) Repack() { l.frozen = nil }

// Forward builds the map on x, M×in.
func (l *Linear) Forward(c *Context, x ag.Tensor) ag.Tensor {
	if l.Adapter != nil {
		return l.Adapter.Forward(c, x)
	}
	var y ag.Tensor
	if l.W.RequiresGrad() {
		y = c.Run(ag.NewLinear(x, l.W))
	} else {
		y = c.Run(ag.NewFrozenLinear(x, l.Frozen()))
	}
	return l.AddBias(c, y)
}

// AddBias adds the map's bias to y, M×out, where there is one.
func (l *Linear) AddBias(c *Context, y ag.Tensor) ag.Tensor {
	if l.Bias == nil {
		return y
	}
	return c.Run(ag.NewAddBias(y, l.Bias))
}
