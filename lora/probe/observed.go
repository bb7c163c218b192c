package probe

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn"
)

// observed is a map with what the probe remembers of it.
type observed struct {
	m      *adapter.Map
	w0     float64 // ‖W0‖
	sigmas []string

	form adapter.Form
	tape *ag.Tape // of the form, where it is more than factors
	free bool     // the form's A and B are the factors A and B themselves

	// of the moment of Before; empty otherwise
	remembered bool
	a, bt      []float32 // A r×in and Bᵀ r×out of the form
	ga, gbt    []float32 // gradients of the factors A and B; empty where there are none
	w          []float32 // W of a weight form
	gradient   gradient
	gradNorm   [2]float64 // ‖gA‖, ‖gB‖; NaN where there is none
}

func observe(m *adapter.Map) *observed {
	return &observed{m: m, w0: math.Sqrt(kernels.SumSquares(m.W0())), sigmas: sigmaNames(m.Rank)}
}

// refresh makes o.form hold present values. A form that is more than the
// factors themselves is built once on a tape of the probe's own.
func (o *observed) refresh(dense bool) {
	m := o.m
	if o.tape != nil {
		o.tape.Replay()
		return
	}
	f := m.Form()
	switch {
	case f.W != nil && !dense || f.W == nil && f.A == nil:
		o.form = adapter.Form{} // not asked for, or never run
	case f.W != nil && live(m, f.W):
		o.form = f
	case f.W == nil && live(m, f.A) && live(m, f.B):
		o.form = f
		o.free = is(f.A, m.Factor("A")) && is(f.B, m.Factor("B")) && !gated(m)
	default:
		t := ag.NewTape()
		if ag.Guard(func() { o.form = m.Delta.Form(&nn.Context{Tape: t}, m) }) == nil {
			o.tape = t
		}
	}
}

// lowRank reports whether the form is a product of factors.
func (o *observed) lowRank() bool { return o.form.A != nil }

// product returns the form's A, and Bᵀ written into buf. With gates the
// experts' columns of B are weighed by their mean gate over the tokens of the
// last forward pass: the product is then the mean change of the weight.
func (o *observed) product(buf *[]float32) (a, bt gram.Rows) {
	r, in := ag.Dims(o.form.A)
	*buf = gram.Resize(*buf, r*o.m.Out)
	gram.Transpose(*buf, ag.Floats(o.form.B), o.m.Out, r)
	a = gram.Rows{N: r, Dim: in, Data: ag.Floats(o.form.A)}
	bt = gram.Rows{N: r, Dim: o.m.Out, Data: *buf}
	if gated(o.m) {
		loads := o.loads()
		for k := range r {
			kernels.Scale(float32(loads[k*len(loads)/r]), bt.Row(k))
		}
	}
	return a, bt
}

// known reports whether the change of the weight is known: a gated map has
// one only through its gates.
func (o *observed) known() bool {
	return o.lowRank() && (!gated(o.m) || o.loads() != nil)
}

func (o *observed) remember(w *workspace) {
	o.remembered = true
	o.a, o.bt, o.ga, o.gbt, o.w = o.a[:0], o.bt[:0], o.ga[:0], o.gbt[:0], o.w[:0]
	if o.known() {
		a, bt := o.product(&w.bt)
		o.a = append(o.a, a.Data...)
		o.bt = append(o.bt, bt.Data...)
	}
	if o.form.W != nil {
		o.w = append(o.w, ag.Floats(o.form.W)...)
	}
	o.gradNorm = [2]float64{math.NaN(), math.NaN()}
	if g := gradientOf(o.m.Factor("A")); g != nil {
		o.gradNorm[0] = math.Sqrt(kernels.SumSquares(g))
		if o.free {
			o.ga = append(o.ga, g...)
		}
	}
	if g := gradientOf(o.m.Factor("B")); g != nil {
		o.gradNorm[1] = math.Sqrt(kernels.SumSquares(g))
		if o.free {
			o.gbt = gram.Resize(o.gbt, len(g))
			gram.Transpose(o.gbt, g, o.m.Out, len(g)/o.m.Out)
		}
	}
	o.gradient.of(o, w)
}

func (o *observed) forget() { o.remembered = false }

// gradientOf returns the gradient of a factor, or nil.
func gradientOf(f *adapter.Factor) []float32 {
	if f == nil || !f.Trained {
		return nil
	}
	return f.GradFloats()
}
