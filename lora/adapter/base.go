package adapter

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
)

// A Term is b·a of factors A k×in and B out×k.
type Term struct{ A, B ag.Tensor }

// Rank returns k.
func (p Term) Rank() int {
	k, _ := ag.Dims(p.A)
	return k
}

// held is what a base has beside W0. It is kept as factors, from which the base
// is computed anew whenever they change: so nothing is lost to rounding over
// many changes, a state gives the same base bit for bit, and files can have it
// as components of a plain adapter.
type held struct {
	own    bool      // the base is no longer the model's
	base   ag.Values // what stands in the place of W0; none: W0
	start  Term      // taken out: s·B0·A0
	folded []Term    // put in: s·B_k·A_k
	follow float32   // how many times s·B·A of the present factors is in it
	fixed  []float32 // the base without those, once it follows
	sb     []float32 // follow·s·B
}

// OwnBase gives the map a base that is not the model's, so that graphs which
// are built from now on see it change.
func (m *Map) OwnBase() {
	switch {
	case m.held.own:
	case m.keeps():
		m.plus()
	default:
		m.SetBase(append([]float32(nil), m.Base.Floats()...))
	}
}

// keeps reports whether a base of the map's own is W0 as the model keeps it, in few
// bits, with the products added in every use: no copy in float32 is held.
func (m *Map) keeps() bool {
	return m.W != nil && m.w0 == nil && m.Frozen().Streamed() && m.Frozen().Values().Stored != nil &&
		m.held.base.Len() == 0 && m.held.fixed == nil
}

// plus makes the base W0 as it is kept, plus what the map holds.
func (m *Map) plus() {
	r := 0
	for _, p := range m.Held() {
		r += p.Rank()
	}
	a, b, at := make([]float32, r*m.In), make([]float32, r*m.Out), 0
	for _, p := range m.Held() {
		n := p.Rank()
		copy(a[at*m.In:], ag.Floats(p.A))
		for i, x := range ag.Floats(p.B) {
			b[(at+i%n)*m.Out+i/n] = m.Scaling * x
		}
		at += n
	}
	if m.held.own {
		m.Base.SetProduct(r, a, b)
	} else {
		m.Base, m.held.own = m.Frozen().Plus(r, a, b), true
	}
	m.Frozen().Release()
}

// BaseValues counts the values that are held of a base of the map's own: of a matrix,
// which lets go of them once it is packed, those in fewer bits as the float32 that take
// as much, or of the factors that are added to W0.
func (m *Map) BaseValues() int {
	switch values := m.Base.Values(); {
	case !m.held.own:
		return 0
	case m.held.base.Stored == nil && values.Stored != nil:
		return m.Base.ProductRank() * (m.In + m.Out)
	default:
		return (values.Bytes() + 3) / 4
	}
}

// OwnsBase reports whether the base is the map's alone.
func (m *Map) OwnsBase() bool { return m.held.own }

// Offset replaces the base by W0 − s·B·A with the present factors A and B, so
// that the adapted map starts as the base map. It keeps the product, which
// net metrics and files subtract.
func (m *Map) Offset() { m.Hold(m.Pair()) }

// Pair returns copies of the present factors A and B.
func (m *Map) Pair() Term { return Term{copyOf(m.Factor("A")), copyOf(m.Factor("B"))} }

// OffsetBy replaces the base by W0 − s·b·a for a r×in and b out×r, which it
// keeps.
func (m *Map) OffsetBy(a, b ag.Tensor) { m.Hold(Term{a, b}) }

// Hold makes the base W0 − s·B0·A0 + s·Σ B_k·A_k for a start, which may be none,
// and what was folded in, in order.
func (m *Map) Hold(start Term, folded ...Term) {
	m.held.start, m.held.folded = start, folded
	m.rebase()
}

// Fold adds s·b·a to the base and keeps the term. Only the base changes: whoever
// folds takes the product out of the factors.
func (m *Map) Fold(t Term) {
	m.held.folded = append(m.held.folded, t)
	m.rebase()
}

// Follow makes the base hold ratio times s·B·A of the present factors A and B,
// in the place of what the last call had it hold so.
func (m *Map) Follow(ratio float32) {
	m.OwnBase()
	h := &m.held
	if h.fixed == nil {
		h.fixed = append([]float32(nil), m.Base.Floats()...)
	}
	h.follow = ratio
	a := m.Factor("A")
	h.sb = append(h.sb[:0], m.Factor("B").Floats()...)
	kernels.Scale(ratio*m.Scaling, h.sb)
	w, r := m.Base.Floats(), a.Rows()
	copy(w, h.fixed)
	kernels.MatMul(kernels.NN, true, m.Out, m.In, r, h.sb, r, a.Floats(), m.In, w, m.In)
	m.SetBase(w)
}

// Followed returns the ratio of Follow, 0 where it was never called.
func (m *Map) Followed() float32 { return m.held.follow }

// Start returns copies of the factors whose product an initializer took out
// of the base; both are nil when it took out none.
func (m *Map) Start() (a, b ag.Tensor) { return m.held.start.A, m.held.start.B }

// Folded returns what was folded into the base, in order.
func (m *Map) Folded() []Term { return m.held.folded }

// Held returns the products that the base holds beside W0, times s: that of the
// start with −B, then those that were folded. What follows the factors is told
// by Followed.
func (m *Map) Held() []Term {
	var all []Term
	if a, b := m.Start(); a != nil {
		minus := copyOf(b)
		kernels.Scale(-1, minus.Floats())
		all = append(all, Term{a, minus})
	}
	return append(all, m.held.folded...)
}

// Replace puts values, out×in, which it keeps, in the place of W0: a rounded base, from
// which no product of factors leads back.
func (m *Map) Replace(values ag.Values) {
	m.held.base = values
	m.rebase()
}

// Replaced returns what has taken the place of W0, or none.
func (m *Map) Replaced() ag.Values { return m.held.base }

// Edited reports whether an initializer has changed the base: the product of the
// factors then makes up for it at the start.
func (m *Map) Edited() bool { return m.held.base.Len() > 0 || m.held.start.A != nil }

// rebase computes the base from W0, or what has taken its place, and what
// it holds.
func (m *Map) rebase() {
	if m.keeps() {
		m.plus()
		return
	}
	from, products := m.held.base, m.Held()
	if from.Len() == 0 {
		from = ag.Values{Floats: m.W0()}
	}
	if from.Stored == nil || len(products) > 0 || m.held.fixed != nil {
		w := make([]float32, from.Len())
		from.Decode(w, 0)
		addProducts(w, m.Out, m.In, m.Scaling, products...)
		from = ag.Values{Floats: w, Passed: m.Kind == nn.Dense}
	}
	m.setBase(from)
	if from.Passed {
		m.Base.Forward() // packed now, so that no two maps' values are held
	}
	if m.W != nil {
		m.Frozen().Release()
	}
	if m.held.fixed != nil {
		copy(m.held.fixed, from.Floats)
		m.Follow(m.held.follow)
	}
}

// SetBase makes w, out×in, which it keeps, the weight that the product is added
// to. A base that was the map's own stays what graphs have, with other values.
func (m *Map) SetBase(w []float32) { m.setBase(ag.Values{Floats: w}) }

func (m *Map) setBase(values ag.Values) {
	switch {
	case m.held.own:
		m.Base.Set(values)
	case values.Stored != nil && m.Streamed:
		m.Base, m.held.own = ag.NewStreamedWeight(m.Out, m.In, values), true
	default:
		m.Base, m.held.own = ag.NewWeightOf(m.Out, m.In, values), true
	}
	if m.Kind == nn.Table {
		if m.table == nil {
			m.table = ag.NewVariable(m.In, m.Out, make([]float32, values.Len()))
		}
		w := values.All()
		for i := range m.Out {
			for j := range m.In {
				m.table.Floats()[j*m.Out+i] = w[i*m.In+j]
			}
		}
	}
}

// addProducts adds s·Σ B_k·A_k to w, out×in, in float64, rounded once.
func addProducts(w []float32, out, in int, s float32, products ...Term) {
	const rows = 16 // of a job, which share a buffer
	kernels.Parallel((out+rows-1)/rows, func(job int) {
		row := make([]float64, in)
		for i := job * rows; i < min((job+1)*rows, out); i++ {
			clear(row)
			for _, p := range products {
				r := p.Rank()
				av, bv := ag.Floats(p.A), ag.Floats(p.B)
				for k := range r {
					sb := float64(s) * float64(bv[i*r+k])
					for j, x := range av[k*in : (k+1)*in] {
						row[j] += sb * float64(x)
					}
				}
			}
			for j, x := range row {
				w[i*in+j] = float32(float64(w[i*in+j]) + x)
			}
		}
	})
}

func copyOf(t ag.Tensor) *ag.Variable {
	rows, cols := ag.Dims(t)
	return ag.NewVariable(rows, cols, append([]float32(nil), ag.Floats(t)...))
}
