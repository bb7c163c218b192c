package probe

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A gradient is what Before learns from the factors' gradients. With G the
// gradient of the full weight, which is never formed, gA = s·Bᵀ·G and
// gB = s·G·Aᵀ.
type gradient struct {
	known      bool
	both       bool      // A and B are both trained
	sa, sb     []float64 // A·Aᵀ, BᵀB
	equivalent float64   // ‖g̃‖, g̃ = s·(B·gA + gB·A)
	captured   float64   // ‖Proj_T G‖, the part of G in the tangent space at B·A
	alignment  float64   // (<g̃,G> / (‖g̃‖·‖Proj_T G‖))²
}

// of computes it for a map whose form is s·B·A of its factors themselves and
// whose B has a gradient. The gradient of a frozen A counts as zero.
func (g *gradient) of(o *observed, w *workspace) {
	g.known = o.free && len(o.gbt) > 0
	if !g.known {
		return
	}
	r := o.m.Rank
	s := float64(o.m.Scaling)
	a, bt, gbt := o.rows(o.a, o.m.In), o.rows(o.bt, o.m.Out), o.rows(o.gbt, o.m.Out)
	g.sa, g.sb = gram.Resize(g.sa, r*r), gram.Resize(g.sb, r*r)
	w.t, w.u = gram.Resize(w.t, r*r), gram.Resize(w.u, r*r)
	gram.Gram(g.sa, a)
	gram.Gram(g.sb, bt)
	gram.Gram(w.t, gbt)
	gradB := gram.Trace(r, w.t)
	norm := gram.Dot(g.sa, w.t)

	g.both = len(o.ga) > 0
	if !g.both {
		g.equivalent = math.Abs(s) * math.Sqrt(norm)
		return
	}
	// ‖Proj_T G‖² = (<(BᵀB)⁺, gA·gAᵀ> + <(A·Aᵀ)⁺, gBᵀ·gB> − tr((BᵀB)⁺·K·(A·Aᵀ)⁺·Kᵀ))/s², K = gA·Aᵀ
	ga := o.rows(o.ga, o.m.In)
	w.sa, w.sb = gram.Resize(w.sa, r*r), gram.Resize(w.sb, r*r)
	w.inverse(r, w.sa, g.sa)
	w.inverse(r, w.sb, g.sb)
	captured := gram.Dot(w.sa, w.t)
	gram.Gram(w.t, ga)
	gradA := gram.Trace(r, w.t)
	norm += gram.Dot(g.sb, w.t)
	captured += gram.Dot(w.sb, w.t)
	gram.Cross(w.t, ga, a)   // K
	gram.Cross(w.u, bt, gbt) // Bᵀ·gB, which equals K
	norm += 2 * gram.Dot(w.t, w.u)
	gram.Mul(r, w.u, w.sb, false, w.t, false)
	gram.Mul(r, w.sb, w.u, false, w.sa, false)
	captured -= gram.Dot(w.sb, w.t)

	g.equivalent = math.Abs(s) * math.Sqrt(max(norm, 0))
	g.captured = math.Sqrt(max(captured, 0)) / math.Abs(s)
	g.alignment = 0
	if d := g.equivalent * g.captured; d > 0 {
		g.alignment = min((gradA+gradB)/d, 1) // above 1 by rounding only
		g.alignment *= g.alignment
	}
}

// inverse writes the pseudo-inverse of s into dst.
func (w *workspace) inverse(n int, dst, s []float64) {
	w.eigen.Of(n, s)
	w.eigen.Truncate()
	w.eigen.Inverse(dst)
}

func (o *observed) rows(x []float32, dim int) gram.Rows {
	return gram.Rows{N: o.m.Rank, Dim: dim, Data: x}
}

// equivalentGradient adds what Before learned, and how the step that followed
// lies to the direction that would have lowered the loss fastest.
func (p *Probe) equivalentGradient(o *observed) {
	g := &o.gradient
	if !o.remembered || !g.known {
		return
	}
	p.add(o, "equivalent_gradient_norm", g.equivalent)
	if !g.both {
		return
	}
	p.add(o, "captured_gradient_norm", g.captured)
	if g.equivalent > 0 && g.captured > 0 {
		p.add(o, "alignment", g.alignment)
	}
	if cos, ok := p.work.updateAlignment(o); ok {
		p.add(o, "update_alignment", cos)
	}
}

// updateAlignment returns the cosine between −G, as far as the tangent space
// at B·A holds it, and the step to first order, s·(B·dA + dB·A):
//
//	−(<dA, gA> + <dB, gB>) / (‖s·(B·dA + dB·A)‖·‖Proj_T G‖)
func (w *workspace) updateAlignment(o *observed) (cos float64, ok bool) {
	r, s := o.m.Rank, float64(o.m.Scaling)
	now, nowB := o.product(&w.bt)
	w.x, w.y = gram.Resize(w.x, len(o.a)), gram.Resize(w.y, len(o.bt))
	difference(w.x, now.Data, o.a)
	difference(w.y, nowB.Data, o.bt)
	da, db := o.rows(w.x, o.m.In), o.rows(w.y, o.m.Out)
	w.t, w.u = gram.Resize(w.t, r*r), gram.Resize(w.u, r*r)
	gram.Gram(w.t, da)
	norm := gram.Dot(o.gradient.sb, w.t)
	gram.Gram(w.t, db)
	norm += gram.Dot(o.gradient.sa, w.t)
	gram.Cross(w.t, da, o.rows(o.a, o.m.In))
	gram.Cross(w.u, o.rows(o.bt, o.m.Out), db)
	norm += 2 * gram.Dot(w.t, w.u)
	d := math.Abs(s) * math.Sqrt(max(norm, 0)) * o.gradient.captured
	if !(d > 0) {
		return 0, false
	}
	inner := kernels.Dot(w.x, o.ga) + kernels.Dot(w.y, o.gbt)
	return max(-1, min(-inner/d, 1)), true
}

// GradientMismatch returns how far gA·Aᵀ is from Bᵀ·gB, both of which are
// s·Bᵀ·G·Aᵀ, relative to the product of the norms of their factors: a check of
// the backward pass that needs no second one. It reports false for maps whose
// form is not s·B·A of their trained factors A and B, or which are gated, or
// without gradients. Before a regularizer or clipping has touched only one of
// the two, a float32 backward pass keeps it below 1e-5.
func GradientMismatch(m *adapter.Map) (relative float64, ok bool) {
	f := m.Form()
	a, b := m.Factor("A"), m.Factor("B")
	if !is(f.A, a) || !is(f.B, b) || gated(m) {
		return 0, false
	}
	ga, gb := gradientOf(a), gradientOf(b)
	if ga == nil || gb == nil {
		return 0, false
	}
	r := a.Rows()
	left, right := make([]float64, r*r), make([]float64, r*r)
	bt, gbt := make([]float32, len(gb)), make([]float32, len(gb))
	gram.Transpose(bt, b.Floats(), m.Out, r)
	gram.Transpose(gbt, gb, m.Out, r)
	av := ag.Floats(a.Variable)
	gram.Cross(left, gram.Rows{N: r, Dim: m.In, Data: ga}, gram.Rows{N: r, Dim: m.In, Data: av})
	gram.Cross(right, gram.Rows{N: r, Dim: m.Out, Data: bt}, gram.Rows{N: r, Dim: m.Out, Data: gbt})
	var sum float64
	for i, x := range left {
		sum += (x - right[i]) * (x - right[i])
	}
	size := math.Sqrt(max(kernels.SumSquares(ga)*kernels.SumSquares(av), kernels.SumSquares(bt)*kernels.SumSquares(gbt)))
	if size == 0 {
		return 0, true
	}
	return math.Sqrt(sum) / size, true
}
