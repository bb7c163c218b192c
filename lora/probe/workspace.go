package probe

import (
	"math"

	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A workspace is the scratch of all maps of a probe.
type workspace struct {
	x, y, p, q []float32 // stacked factors
	sa, sb     []float64
	t, u       []float64
	eigen      gram.Eigen
	spectrum   geometry.Spectrum
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

// subtract writes x − y into the front of dst.
func subtract(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v - y[i]
	}
}

// norm returns ‖s·B·A‖.
func (w *workspace) norm(p pair, s float64) float64 {
	n := p.n()
	w.sa, w.sb = gram.Resize(w.sa, n*n), gram.Resize(w.sb, n*n)
	gram.Gram(w.sa, p.a)
	gram.Gram(w.sb, p.bt)
	return math.Abs(s) * math.Sqrt(max(gram.Dot(w.sa, w.sb), 0))
}
