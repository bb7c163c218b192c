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
	Old     string // its name in adapters made before transformers 5; "": the same
	In, Out int
	Kind    Kind
	Kernel  []int        // of a Convolution: channels, height, width, whose product is In
	W       *ag.Variable // out×in  Name + ".weight"; of a Table in×out; nil where only the shape is known
	Bias    *ag.Variable // 1×out   Name + ".bias"; may be nil
	Adapter Adapter      // nil: none

	Output      bool    // makes the logits: all-linear leaves it out
	FanInFanOut bool    // the checkpoint has Wᵀ, in×out
	Tied        *Linear // the Table whose weight this is; nil: its own
	Padding     []int32 // of a Table: ids whose rows get no gradient from a lookup
	Streamed    bool    // a frozen weight is packed in every product anew, see [ag.NewStreamedWeight]

	frozen *ag.Weight
}

// A Kind is what the rows of a linear map's input are.
type Kind int

// The kinds.
const (
	Dense       Kind = iota // features
	Table                   // one-hot rows, given as ids: an embedding
	Convolution             // windows of an image, unfolded
)

// An Adapter computes an adapted linear map.
type Adapter interface {
	// Forward builds the map on x, M×in.
	Forward(c *Context, x ag.Tensor) ag.Tensor
	// Lookup builds it on one-hot rows, given as ids that the graph reads anew in
	// every replay.
	Lookup(c *Context, ids []int32) ag.Tensor
}

// NewLinear returns a frozen map without bias over w, out×in row by row.
func NewLinear(name string, out, in int, w []float32) *Linear {
	return &Linear{Name: name, In: in, Out: out, W: ag.NewVariable(out, in, w)}
}

// Weight returns the weight, out×in, to be read only: the values of W, a copy of
// those in fewer bits, or a transposed copy of those of a Table.
func (l *Linear) Weight() []float32 {
	if w := l.W.Values().All(); l.Kind != Table {
		return w
	} else {
		return transposed(l.In, l.Out, w)
	}
}

// SetWeight writes w, out×in, into the values of W, which are float32 from then on,
// and drops the packed form.
func (l *Linear) SetWeight(w []float32) {
	if l.Kind == Table {
		transpose(l.W.Floats(), l.Out, l.In, w)
	} else {
		copy(l.W.Floats(), w)
	}
	l.Repack()
}

// Frozen returns the weight in the packed form that a frozen map uses. It
// shares the values of W, unless this is a Table; after they change,
// [Linear.Repack] must be called.
func (l *Linear) Frozen() *ag.Weight {
	if l.frozen == nil {
		values := l.W.Values()
		if l.Kind == Table {
			values = ag.Values{Floats: l.Weight()}
		}
		if l.Streamed {
			l.frozen = ag.NewStreamedWeight(l.Out, l.In, values)
		} else {
			l.frozen = ag.NewWeightOf(l.Out, l.In, values)
		}
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
	var bias ag.Tensor
	if l.Bias != nil {
		bias = l.Bias
	}
	if l.W.RequiresGrad() {
		return c.Run(ag.NewLinear(x, l.W).AddBias(bias))
	}
	f := ag.NewFrozenLinear(x, l.Frozen()).AddBias(bias)
	if l.Output { // whose logits a loss does not need in whole
		f.Postpone()
	}
	return c.Run(f)
}
