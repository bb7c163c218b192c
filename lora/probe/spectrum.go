package probe

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// spectrum adds the singular values of the net change of the weight, W' − W0,
// and what follows from them. Where the base was offset the product at the
// start is subtracted. With a gain (DoRA) it is the change before the gain.
func (p *Probe) spectrum(o *observed) {
	var sigma []float64
	switch {
	case o.form.W != nil:
		sigma = p.work.spectrum.OfDifference(o.m.Out, o.m.In, ag.Floats(o.form.W), o.m.W0())
	case o.known():
		a, bt := o.product(&p.work.bt)
		if a0, b0 := o.m.Start(); a0 != nil {
			a, bt = p.work.net(a, bt, ag.Floats(a0), ag.Floats(b0))
		}
		sigma = p.work.spectrum.Of(geometry.Product{A: a, Bt: bt, S: float64(o.m.Scaling)})
	default:
		return
	}
	for i, s := range sigma[:min(len(sigma), o.m.Rank)] {
		p.add(o, o.sigmas[i], s)
	}
	s := geometry.Summarize(sigma)
	p.add(o, "frobenius_norm", s.Frobenius)
	p.add(o, "spectral_norm", s.Spectral)
	p.add(o, "nuclear_norm", s.Nuclear)
	p.add(o, "effective_rank", s.EffectiveRank)
	p.add(o, "stable_rank", s.StableRank)
	p.add(o, "participation_ratio", s.ParticipationRatio)
	p.add(o, "energy_rank_95", s.EnergyRank95)
	if o.lowRank() {
		p.add(o, "rank_usage", s.EffectiveRank/float64(o.m.Rank))
	}
}

func sigmaNames(r int) []string {
	names := make([]string, r)
	for i := range names {
		names[i] = fmt.Sprintf("sigma_%d", i+1)
	}
	return names
}

// A workspace is the scratch of all maps of a probe.
type workspace struct {
	bt       []float32 // Bᵀ
	x, y     []float32 // stacked factors
	sa, sb   []float64
	t, u     []float64
	eigen    gram.Eigen
	spectrum geometry.Spectrum
}

// net returns factors of B·A − B0·A0, which is (B−B0)·A + B0·(A−A0): stacked
// so, nothing is lost while the factors are still near their start.
func (w *workspace) net(a, bt gram.Rows, a0, b0 []float32) (gram.Rows, gram.Rows) {
	na, nb := len(a.Data), len(bt.Data)
	w.x, w.y = gram.Resize(w.x, 2*na), gram.Resize(w.y, 2*nb)
	copy(w.x, a.Data)
	difference(w.x[na:], a.Data, a0)
	gram.Transpose(w.y[nb:], b0, bt.Dim, bt.N)
	difference(w.y, bt.Data, w.y[nb:])
	return gram.Rows{N: 2 * a.N, Dim: a.Dim, Data: w.x}, gram.Rows{N: 2 * bt.N, Dim: bt.Dim, Data: w.y}
}

// difference writes x − y into the front of dst.
func difference(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v - y[i]
	}
}
