// Package adapter is one adapted linear map, and what the parts of a method
// are to it. A method is a composition delta × initializer × update rule ×
// rank schedule × router; the packages delta, initial, update, rank and moe
// hold the parts, a file a mechanism, and package lora the table of methods.
//
// Conventions: W0 is out×in, y = x·W0ᵀ + b + s·(x·Aᵀ)·Bᵀ, A is r×in, B is
// out×r, and s = α/r unless the delta says otherwise.
package adapter

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// A Map is a linear map with an adapter: it computes x·W'ᵀ + b, where W' is
// what its Delta makes of the base weight and its factors.
type Map struct {
	*nn.Linear
	Layer, Layers int // index of the block, and how many the model has
	Maps          int // how many maps are adapted together, for what they share in the objective
	Rank          int // of A and B, all experts together
	Scaling       float32
	Dropout       float64 // of the entries of x in the low-rank term, where the context has noise
	Delta         Delta
	Router        Router // nil: none

	Base    *ag.Weight // what s·B·A is added to: W0, or what an initializer left of it; nil where W0 is unknown
	Factors []*Factor

	table *ag.Variable // in×out: the transpose of Base, of a Table whose base was offset

	w0   []float32 // the base weight, once the model has another or none out×in
	at   *place    // in the graph that ran last; nil: none has
	held held
}

// A place is what a map is in a graph.
type place struct {
	context *nn.Context
	form    Form
	gates   ag.Tensor
	x, y    ag.Tensor
	bias    ag.Tensor // that y holds
	uses    int       // how often the map stands there; the others are of the last
}

// A Factor is a named tensor of an adapter.
type Factor struct {
	Name    string
	Trained bool
	*ag.Variable
}

// A Spec says what a factor is.
type Spec struct {
	Name       string // "A", "B", …: the role that update rules know it by
	Rows, Cols int
	Trained    bool
}

// A Form is what the factors make of the base weight, on a tape: either
//
//	W' = diag(Gain)·(Base + s·B·A)
//
// with A r×in, B out×r and Gain 1×out (nil for ones), or W' = W, out×in. Shift
// 1×out, where there is one, adds s·Shift to the map's bias. Forward, merge,
// counts, rank bound, files and instruments all follow from it.
type Form struct {
	A, B  ag.Tensor
	Gain  ag.Tensor
	W     ag.Tensor
	Shift ag.Tensor
}

// LowRank reports whether the form is a product of factors on the base.
func (f Form) LowRank() bool { return f.W == nil }

// New gives the map l an adapter of delta d at rank r, with the routers'
// factors if there is one. All factors are zero until an initializer and the
// delta's Start have filled them.
func New(l *nn.Linear, layer, layers int, d Delta, router Router, r int, alpha float64) (*Map, error) {
	m := &Map{Linear: l, Layer: layer, Layers: layers, Maps: 1, Rank: r, Delta: d, Router: router}
	if router != nil {
		m.Rank = router.Rank(m, r)
	}
	m.Scaling = float32(d.Scaling(alpha, r))
	specs, err := d.Factors(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Name, err)
	}
	if router != nil {
		specs = append(specs, router.Factors(m)...)
	}
	for _, s := range specs {
		v := ag.NewVariable(s.Rows, s.Cols, nil)
		v.SetRequiresGrad(s.Trained)
		m.Factors = append(m.Factors, &Factor{s.Name, s.Trained, v})
	}
	if l.W != nil {
		m.Base = l.Frozen()
	}
	return m, nil
}

// W0 returns the base weight as it was before any adaptation, out×in, to be read
// only; nil where it is unknown.
func (m *Map) W0() []float32 {
	if m.w0 != nil || m.W == nil {
		return m.w0
	}
	return m.Frozen().Floats()
}

// W0In is [Map.W0] in the memory of spare, which grows if need be, where the model
// keeps its weights in fewer bits: who reads one map after the other holds one.
func (m *Map) W0In(spare *[]float32) []float32 {
	if m.w0 != nil || m.W == nil || m.Frozen().Values().Stored == nil {
		return m.W0()
	}
	n := m.Out * m.In
	if cap(*spare) < n {
		*spare = make([]float32, n)
	}
	x := (*spare)[:n]
	m.Frozen().Values().Decode(x, 0)
	return x
}

// KeepW0 makes the map keep a copy of its base weight: the model's is about to be
// overwritten.
func (m *Map) KeepW0() {
	if m.w0 != nil {
		return
	}
	w0 := m.W0()
	m.w0 = append([]float32(nil), w0...)
	if own := m.Base.Floats(); len(w0) > 0 && &own[0] == &w0[0] {
		m.Base = ag.NewWeight(m.Out, m.In, m.w0)
	}
}

// Factor returns the factor of that name, or nil.
func (m *Map) Factor(name string) *Factor {
	for _, f := range m.Factors {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Freeze makes the named factor untrained; graphs built before know nothing
// of it.
func (m *Map) Freeze(name string) {
	if f := m.Factor(name); f != nil {
		f.Trained = false
		f.SetRequiresGrad(false)
	}
}

// Form returns the form in the graph that ran forward last, of those that are not
// [nn.Context.Aside]: its tensors hold the values of that pass and, after Retain, their
// gradients.
func (m *Map) Form() Form { return m.last().form }

// Gates returns the experts' weights in that graph, tokens×experts; nil where the map
// has one expert.
func (m *Map) Gates() ag.Tensor { return m.last().gates }

// Padded reports whether row i of so many is padding, of the input, the product and the
// gates in that graph.
func (m *Map) Padded(i, rows int) bool {
	c := m.last().context
	return c != nil && c.Padded(i, rows)
}

// last returns the place in the graph that ran last.
func (m *Map) last() place {
	if m.at == nil {
		return place{}
	}
	return *m.at
}

// Freestanding builds the form once on a tape of its own, from the present
// values of the factors. Where W0 is unknown it is that of a delta that adds a
// product to it, without a gain; others have none.
func (m *Map) Freestanding() (f Form, err error) {
	if can := m.Delta.Provides(); m.W0() == nil && !slices.Contains(can, Additive) && !slices.Contains(can, ZeroCore) {
		return f, fmt.Errorf("%s: what its factors do to the weight depends on the weight", m.Name)
	}
	err = ag.Guard(func() { f = m.Delta.Form(&nn.Context{Tape: ag.NewTape()}, m) })
	return f, err
}

// Forward builds the adapted map on x, M×in.
func (m *Map) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	p := m.place(c)
	f := m.formed(c, p)
	bias := m.biasOf(c, f)
	inner := bias // which the product adds, where no gain comes between
	if f.Gain != nil {
		inner = nil
	}
	var y ag.Tensor
	if f.LowRank() {
		if m.Router != nil {
			p.gates = m.Router.Gates(c, m, x)
			c.Own(p.gates)
		}
		product := ag.NewLowRankLinear(x, m.Base, f.A, f.B, m.Scaling, p.gates).AddBias(inner)
		if m.Dropout > 0 && c.Noise != nil {
			product.Drop(m.Dropout, c.Noise)
		}
		y = c.Run(product)
	} else {
		y = c.Run(ag.NewLinear(x, f.W).AddBias(inner))
	}
	p.x, p.y, p.bias = x, y, inner
	if f.Gain != nil {
		y = c.Run(ag.NewScaleCols(y, f.Gain).AddBias(bias))
	}
	return y
}

// biasOf builds the bias of a form, 1×out; nil: none.
func (m *Map) biasOf(c *nn.Context, f Form) ag.Tensor {
	var shift ag.Tensor
	if f.Shift != nil {
		shift = c.Run(ag.NewScale(f.Shift, m.Scaling))
	}
	switch {
	case m.Bias == nil:
		return shift
	case shift == nil:
		return m.Bias
	}
	return c.Run(ag.NewAdd(m.Bias, shift))
}

// place returns what the map is in the graph that is being built, once more.
func (m *Map) place(c *nn.Context) *place {
	if m.at != nil && m.at.context.Tape == c.Tape {
		m.at.uses++
		return m.at
	}
	p := &place{context: c, uses: 1}
	if !c.Aside {
		c.Do(func() { m.at = p })
	}
	return p
}

// Product returns the input of the map in the graph that ran last, M×in, and the
// product of the form with it, M×out, before a gain, and how often the map stands in
// that graph. The product holds the bias, 1×out, unless that is nil. All are nil before
// there is a graph, and for what is looked up.
func (m *Map) Product() (x, y, bias ag.Tensor, uses int) {
	p := m.last()
	return p.x, p.y, p.bias, p.uses
}

// formed builds the form, whose tensors stay to be looked at.
func (m *Map) formed(c *nn.Context, p *place) Form {
	f := m.Delta.Form(c, m)
	for _, t := range []ag.Tensor{f.A, f.B, f.Gain, f.W, f.Shift} {
		c.Own(t)
	}
	p.form = f
	return f
}

// Lookup builds the adapted map on one-hot rows, given as ids.
func (m *Map) Lookup(c *nn.Context, ids []int32) ag.Tensor {
	f := m.formed(c, m.place(c))
	var y ag.Tensor
	if f.LowRank() {
		table := ag.Tensor(m.W)
		if m.table != nil {
			table = m.table
		}
		y = c.Run(ag.NewEmbedding(table, ids).Except(m.Padding))
		u := c.Run(ag.NewLookup(f.A, ids, m.Scaling).Except(m.Padding)) // M×r
		y = c.Run(ag.NewAdd(y, c.Run(ag.NewLinear(u, f.B))))
	} else {
		y = c.Run(ag.NewLookup(f.W, ids, 1).Except(m.Padding))
	}
	if f.Gain != nil {
		y = c.Run(ag.NewScaleCols(y, f.Gain))
	}
	if bias := m.biasOf(c, f); bias != nil {
		y = c.Run(ag.NewAddBias(y, bias))
	}
	return y
}

// Merged returns W' as a new out×in matrix. A routed map has none: its weight
// depends on the token.
func (m *Map) Merged() ([]float32, error) {
	if m.Router != nil {
		return nil, fmt.Errorf("%s: cannot be merged: its router weighs the experts for every token", m.Name)
	}
	f, err := m.Freestanding()
	if err != nil {
		return nil, err
	}
	var w []float32
	if f.LowRank() {
		w = append(w, m.Base.Floats()...)
		addProducts(w, m.Out, m.In, m.Scaling, Term{f.A, f.B})
	} else {
		w = append(w, ag.Floats(f.W)...)
	}
	if f.Gain != nil {
		for i, g := range ag.Floats(f.Gain) {
			for j := range m.In {
				w[i*m.In+j] *= g
			}
		}
	}
	return w, nil
}

// MergedBias returns the bias of the merged map, 1×out, which may be nil. A
// form that shifts it needs a bias to go into.
func (m *Map) MergedBias() ([]float32, error) {
	f, err := m.Freestanding()
	if err != nil || m.Bias == nil && f.Shift == nil {
		return nil, err
	}
	if m.Bias == nil {
		return nil, fmt.Errorf("%s: cannot be merged: the adapter has a bias (lora_bias), the map has none to add it to", m.Name)
	}
	b := append([]float32(nil), m.Bias.Floats()...)
	if f.Shift != nil {
		for i, x := range ag.Floats(f.Shift) {
			b[i] += m.Scaling * x
		}
	}
	return b, nil
}

// RankBound returns the largest rank that W' − W0 can have: of the factors and
// of what the base holds, or of the matrix.
func (m *Map) RankBound() int {
	p := min(m.In, m.Out)
	f, err := m.Freestanding()
	if err != nil || !f.LowRank() || f.Gain != nil || m.held.base.Len() > 0 {
		return p
	}
	r, _ := ag.Dims(f.A)
	for _, h := range m.Held() {
		r += h.Rank()
	}
	return min(r, p)
}

// TrainedParameters counts the values that training changes.
func (m *Map) TrainedParameters() int {
	n := 0
	for _, f := range m.Factors {
		if f.Trained {
			n += f.Rows() * f.Cols()
		}
	}
	return n
}
