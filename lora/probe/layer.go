package probe

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn"
)

// A pair is A r×in and Bᵀ r×out.
type pair struct{ a, bt gram.Rows }

// A copied pair has memory of its own.
type copied struct{ a, bt []float32 }

func (c *copied) keep(p pair) {
	c.a = append(c.a[:0], p.a.Data...)
	c.bt = append(c.bt[:0], p.bt.Data...)
}

func (c *copied) of(l *layer) pair {
	return pair{gram.Rows{N: len(c.a) / l.m.In, Dim: l.m.In, Data: c.a}, gram.Rows{N: len(c.bt) / l.m.Out, Dim: l.m.Out, Data: c.bt}}
}

// A layer is a map with what the probe remembers of it, and what it has
// computed in this measurement. Metrics are functions of it.
type layer struct {
	p     *Probe
	work  *workspace
	m     *adapter.Map
	index int
	s     float64
	w0    float64 // ‖W0‖

	form adapter.Form
	tape *ag.Tape // of the form, where it is more than factors
	free bool     // the form's A and B are the trained factors A and B themselves

	start   copied // the product's factors at the start; empty where unknown
	balance []float64

	// of the moment of Before
	remembered bool
	folds      int // products in the base
	factors    []saved
	before     copied    // the product's factors; empty where there are none
	weight     []float32 // W of a whole-weight form

	earlier      copied // of the moment of the Before before
	earlierStep  int    // that step; 0: none
	earlierFolds int
	beforeStep   int
	path         float64 // Σ of update norms
	pathStep     int     // of the last of them, when none was left out

	takenB  ag.Tensor // what an initializer took out of the base
	takenBt []float32 // its transpose

	change  once[change]
	moved   once[spectrum] // of the change
	net     once[spectrum]
	own     once[spectrum] // of the adapter, where the base was offset
	shift   once[float64]
	grad    once[gradient]
	squares once[squares]
	loads   once[routing]
	span    once[spans]
	nets    once[subspaces]

	base     baseWeight
	standing once[standing]
	first    kept // of the first gradient
	top      kept // of W0's r leading triplets
	searched bool // for these
	batch    onBatch
}

func newLayer(p *Probe, w *workspace, m *adapter.Map, index int) *layer {
	l := &layer{p: p, work: w, m: m, index: index, s: float64(m.Scaling), w0: math.Sqrt(sumSquares(m.W0()))}
	for _, f := range m.Factors {
		if f.Trained {
			l.factors = append(l.factors, saved{l: l, f: f})
		}
	}
	l.refresh()
	l.begin()
	return l
}

// begin keeps what is measured from the start, once.
func (l *layer) begin() {
	if len(l.start.a) > 0 {
		return
	}
	if now, err := l.product(nil); err == nil && !gated(l.m) {
		l.start.keep(now)
		l.beginBalance()
	}
}

// refresh makes l.form hold present values. A form that is more than the
// factors themselves is built once on a tape of the probe's own.
func (l *layer) refresh() {
	m := l.m
	if l.tape != nil {
		if l.form.W == nil || l.p.Dense {
			l.tape.Replay()
		}
		return
	}
	f := m.Form()
	switch {
	case f.W != nil && !l.p.Dense || f.W == nil && f.A == nil:
		l.form = adapter.Form{} // not asked for, or never run
	case f.W != nil && live(m, f.W):
		l.form = f
	case f.W == nil && live(m, f.A) && live(m, f.B):
		l.form = f
		l.free = is(f.A, m.Factor("A")) && is(f.B, m.Factor("B")) && !gated(m)
	default:
		t := ag.NewTape()
		if ag.Guard(func() { l.form = m.Delta.Form(&nn.Context{Tape: t}, m) }) == nil {
			l.tape = t
		}
	}
}

// whole returns W' of a whole-weight form.
func (l *layer) whole() ([]float32, bool) {
	if l.form.W == nil || !l.p.Dense {
		return nil, false
	}
	return ag.Floats(l.form.W), true
}

// lowRank reports whether the form is a product of factors.
func (l *layer) lowRank() bool { return l.form.A != nil }

// now returns the product's factors after the step. They are valid until the
// workspace serves another map.
func (l *layer) now() (pair, error) {
	w := l.work
	if w.of != l || w.tick != l.p.tick {
		loads, _ := l.gates()
		w.now, w.why = l.product(loads)
		w.of, w.tick = l, l.p.tick
	}
	return w.now, w.why
}

// product returns the form's A, and Bᵀ. With gates the experts' columns of B are
// weighed by their mean gates: the product is then the mean change of the weight.
func (l *layer) product(loads []float64) (pair, error) {
	switch {
	case l.m.Form().W != nil:
		return pair{}, notAsked
	case !l.lowRank():
		return pair{}, neverRun
	}
	r, in := ag.Dims(l.form.A)
	w := l.work
	w.bt, w.of = gram.Resize(w.bt, r*l.m.Out), nil
	gram.Transpose(w.bt, ag.Floats(l.form.B), l.m.Out, r)
	p := pair{gram.Rows{N: r, Dim: in, Data: ag.Floats(l.form.A)}, gram.Rows{N: r, Dim: l.m.Out, Data: w.bt}}
	if gated(l.m) {
		if loads == nil {
			return pair{}, ungated
		}
		for k := range r {
			kernels.Scale(float32(loads[k*len(loads)/r]), p.bt.Row(k))
		}
	}
	return p, nil
}

// taken returns the factors whose product an initializer took out of the base.
func (l *layer) taken() (pair, bool) {
	a, b := l.m.Start()
	if a == nil {
		return pair{}, false
	}
	r, in := ag.Dims(a)
	if l.takenB != b {
		l.takenB, l.takenBt = b, gram.Resize(l.takenBt, r*l.m.Out)
		gram.Transpose(l.takenBt, ag.Floats(b), l.m.Out, r)
	}
	return pair{gram.Rows{N: r, Dim: in, Data: ag.Floats(a)}, gram.Rows{N: r, Dim: l.m.Out, Data: l.takenBt}}, true
}

// netOf returns factors of the net change of the weight where the product is p:
// without what was taken out of the base, with what was folded into it.
func (l *layer) netOf(p pair) pair {
	net := p
	if taken, ok := l.taken(); ok {
		net = l.work.difference(p, taken)
	}
	if l.m.Followed() == 0 && len(l.m.Folded()) == 0 {
		return net
	}
	return l.work.with(net, p, l.m)
}

// remember keeps what the step is going to change.
func (l *layer) remember(step int) {
	l.begin()
	l.earlier, l.before = l.before, l.earlier
	l.earlierStep, l.beforeStep = l.beforeStep, step
	l.remembered = true
	l.earlierFolds, l.folds = l.folds, len(l.m.Folded())
	l.before.a, l.before.bt, l.weight = l.before.a[:0], l.before.bt[:0], l.weight[:0]
	if now, err := l.product(meanGates(l.m)); err == nil {
		l.before.keep(now)
	}
	if w, ok := l.whole(); ok {
		l.weight = append(l.weight, w...)
	}
	for i := range l.factors {
		f := &l.factors[i]
		f.value, f.grad = f.value[:0], f.grad[:0]
		switch {
		case l.heavy(f.f):
			continue
		case l.free && is(l.form.A, f.f):
			f.share(l.before.a, false)
		case l.free && is(l.form.B, f.f):
			f.share(l.before.bt, true)
		default:
			f.keep()
		}
		f.keepGrad()
		if c := l.p.Clipped; c > 0 && c != 1 {
			kernels.Scale(float32(1/c), f.grad)
		}
	}
}

// heavy reports whether a factor is the whole weight: a copy of it is made only
// where that was asked for.
func (l *layer) heavy(f *adapter.Factor) bool { return !l.p.Dense && is(l.m.Form().W, f) }

// forget ends a measurement: what it needed most memory for goes.
func (l *layer) forget() {
	l.remembered = false
	l.standing = once[standing]{}
}

// trained returns the trained factor of that name as it was before the step, or
// nil.
func (l *layer) trained(name string) *saved {
	for i := range l.factors {
		if l.factors[i].f.Name == name {
			return &l.factors[i]
		}
	}
	return nil
}

// live reports whether t is one of the map's factors, so that it has its
// present value and not that of the last forward pass.
func live(m *adapter.Map, t ag.Tensor) bool {
	for _, f := range m.Factors {
		if is(t, f) {
			return true
		}
	}
	return false
}

// is reports whether t is the factor f itself.
func is(t ag.Tensor, f *adapter.Factor) bool {
	return t != nil && f != nil && t.Value() == ag.Tensor(f.Variable)
}

func (p pair) n() int { return p.a.N }

// times is s·B·A.
func (p pair) times(s float64) geometry.Product { return geometry.Product{A: p.a, Bt: p.bt, S: s} }
