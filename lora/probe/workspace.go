package probe

import (
	"math"
	"sync"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A workspace is what one map at a time computes in.
type workspace struct {
	bt         []float32 // Bᵀ of the product last looked at
	now        pair      // that product, where it is of's at that tick
	why        error     // there is none
	of         *layer
	tick       int
	x, y, p, q []float32 // stacked factors
	z          []float32 // products without the bias
	netA, netB []float32 // with those that the base holds
	da, dbt    []float32 // what a step changed
	df         []float32 // of one factor
	sa, sb     []float64
	t, u       []float64
	eigen      gram.Eigen
	spectrum   geometry.Spectrum
}

// A scratch lends workspaces: as many are made as there are threads.
type scratch struct {
	mu   sync.Mutex
	free []*workspace
}

func (s *scratch) take() *workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free) - 1
	if n < 0 {
		return new(workspace)
	}
	w := s.free[n]
	s.free = s.free[:n]
	return w
}

func (s *scratch) put(w *workspace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, w)
}

// onMap makes f a function of the number of a map, for [kernels.Parallel]: every
// call has a workspace to itself. What is computed of the map afterwards, one map
// at a time, is computed in the same.
func (p *Probe) onMap(f func(l *layer)) func(i int) {
	return func(i int) {
		l := p.layers[i]
		l.work = p.scratch.take()
		defer p.scratch.put(l.work)
		f(l)
	}
}

// difference returns factors of B·A − B0·A0, which is (B−B0)·A + B0·(A−A0):
// stacked so, nothing is lost while the factors are still near each other. They
// are valid until its next call.
func (w *workspace) difference(p, p0 pair) pair {
	na, nb := len(p.a.Data), len(p.bt.Data)
	w.x, w.y = gram.Resize(w.x, 2*na), gram.Resize(w.y, 2*nb)
	copy(w.x, p.a.Data)
	subtract(w.x[na:], p.a.Data, p0.a.Data)
	subtract(w.y, p.bt.Data, p0.bt.Data)
	copy(w.y[nb:], p0.bt.Data)
	return pair{gram.Rows{N: 2 * p.a.N, Dim: p.a.Dim, Data: w.x}, gram.Rows{N: 2 * p.bt.N, Dim: p.bt.Dim, Data: w.y}}
}

// steps returns p − p0, factor by factor. It is valid until its next call.
func (w *workspace) steps(p, p0 pair) pair {
	w.da, w.dbt = gram.Resize(w.da, len(p.a.Data)), gram.Resize(w.dbt, len(p.bt.Data))
	subtract(w.da, p.a.Data, p0.a.Data)
	subtract(w.dbt, p.bt.Data, p0.bt.Data)
	return pair{gram.Rows{N: p.n(), Dim: p.a.Dim, Data: w.da}, gram.Rows{N: p.n(), Dim: p.bt.Dim, Data: w.dbt}}
}

// with returns factors of the net change with what the base of the map m holds
// beside it: so many times the product p, and what was folded. They are valid
// until its next call.
func (w *workspace) with(net, p pair, m *adapter.Map) pair {
	w.netA = append(append(w.netA[:0], net.a.Data...), p.a.Data...)
	w.netB = append(w.netB[:0], net.bt.Data...)
	at := len(w.netB)
	w.netB = append(w.netB, p.bt.Data...)
	kernels.Scale(m.Followed(), w.netB[at:])
	n := net.n() + p.n()
	for _, f := range m.Folded() {
		at := len(w.netB)
		w.netA, w.netB = append(w.netA, ag.Floats(f.A)...), append(w.netB, ag.Floats(f.B)...)
		gram.Transpose(w.netB[at:], ag.Floats(f.B), m.Out, f.Rank())
		n += f.Rank()
	}
	return pair{gram.Rows{N: n, Dim: m.In, Data: w.netA}, gram.Rows{N: n, Dim: m.Out, Data: w.netB}}
}

// subtract writes x − y into the front of dst.
func subtract(dst, x, y []float32) {
	dst = dst[:copy(dst, x)]
	kernels.Axpy(-1, y[:len(dst)], dst)
}

// norm returns ‖s·B·A‖.
func (w *workspace) norm(p pair, s float64) float64 {
	n := p.n()
	w.sa, w.sb = gram.Resize(w.sa, n*n), gram.Resize(w.sb, n*n)
	gram.Gram(w.sa, p.a)
	gram.Gram(w.sb, p.bt)
	return math.Abs(s) * math.Sqrt(max(gram.Dot(w.sa, w.sb), 0))
}
