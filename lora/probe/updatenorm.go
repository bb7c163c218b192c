package probe

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// update adds the norm and the effective rank of what the step has done to
// the weight. With B, A before and B', A' after the step it is
//
//	s·(B'·A' − B·A) = s·[B, B'−B]·[A'−A; A']
//
// of rank at most 2r, exactly.
func (p *Probe) update(o *observed) {
	if !o.remembered {
		return
	}
	w := &p.work
	var sigma []float64
	switch {
	case o.form.W != nil && len(o.w) > 0:
		sigma = w.spectrum.OfDifference(o.m.Out, o.m.In, ag.Floats(o.form.W), o.w)
	case o.known() && len(o.a) > 0:
		a, bt := o.product(&w.bt)
		na, nb := len(a.Data), len(bt.Data)
		w.x, w.y = gram.Resize(w.x, 2*na), gram.Resize(w.y, 2*nb)
		difference(w.x, a.Data, o.a)
		copy(w.x[na:], a.Data)
		copy(w.y, o.bt)
		difference(w.y[nb:], bt.Data, o.bt)
		a.N, a.Data = 2*a.N, w.x
		bt.N, bt.Data = 2*bt.N, w.y
		sigma = w.spectrum.Of(geometry.Product{A: a, Bt: bt, S: float64(o.m.Scaling)})
	default:
		return
	}
	s := geometry.Summarize(sigma)
	p.add(o, "update_norm", s.Frobenius)
	if o.w0 > 0 {
		p.add(o, "relative_update_norm", s.Frobenius/o.w0)
	}
	p.add(o, "update_effective_rank", s.EffectiveRank)
}
