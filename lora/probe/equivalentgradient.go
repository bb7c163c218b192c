package probe

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A gradient is what the factors' gradients tell of the gradient G of the full
// weight, which is never formed: gA = s·Bᵀ·G and gB = s·G·Aᵀ.
type gradient struct {
	both       bool      // A and B are both trained
	sa, sb     []float64 // A·Aᵀ, BᵀB
	ga, gb     []float64 // gA·gAᵀ, gBᵀ·gB
	k, kb      []float64 // gA·Aᵀ and Bᵀ·gB, which are one but for rounding
	inner      float64   // <g̃, G> = ‖gA‖² + ‖gB‖²
	equivalent float64   // ‖g̃‖, g̃ = s·(B·gA + gB·A)
	captured   float64   // ‖Proj_T G‖, the part of G in the tangent space at B·A
	alignment  float64   // (<g̃,G> / (‖g̃‖·‖Proj_T G‖))²
}

// of computes it at p, from gA r×in and gBᵀ r×out. The gradient of a frozen A,
// which is empty, counts as zero.
func (g *gradient) of(w *workspace, p pair, ga, gb []float32, s float64) {
	r := p.n()
	gbt := gram.Rows{N: r, Dim: p.bt.Dim, Data: gb}
	for _, m := range []*[]float64{&g.sa, &g.sb, &g.ga, &g.gb, &g.k, &g.kb, &w.t, &w.u, &w.sa, &w.sb} {
		*m = gram.Resize(*m, r*r)
	}
	gram.Gram(g.sa, p.a)
	gram.Gram(g.sb, p.bt)
	gram.Gram(g.gb, gbt)
	g.inner = gram.Trace(r, g.gb)
	norm := gram.Dot(g.sa, g.gb)

	g.both = len(ga) > 0
	if !g.both {
		g.equivalent = math.Abs(s) * math.Sqrt(norm)
		return
	}
	// ‖Proj_T G‖² = (<(BᵀB)⁺, gA·gAᵀ> + <(A·Aᵀ)⁺, gBᵀ·gB> − tr((BᵀB)⁺·K·(A·Aᵀ)⁺·Kᵀ))/s², K = gA·Aᵀ
	rows := gram.Rows{N: r, Dim: p.a.Dim, Data: ga}
	w.inverse(r, w.sa, g.sa)
	w.inverse(r, w.sb, g.sb)
	captured := gram.Dot(w.sa, g.gb)
	gram.Gram(g.ga, rows)
	g.inner += gram.Trace(r, g.ga)
	norm += gram.Dot(g.sb, g.ga)
	captured += gram.Dot(w.sb, g.ga)
	gram.Cross(g.k, rows, p.a)
	gram.Cross(g.kb, p.bt, gbt)
	norm += 2 * gram.Dot(g.k, g.kb)
	gram.Mul(r, w.u, w.sb, false, g.k, false)
	gram.Mul(r, w.sb, w.u, false, w.sa, false)
	captured -= gram.Dot(w.sb, g.k)

	g.equivalent = math.Abs(s) * math.Sqrt(nonNegative(norm))
	g.captured = math.Sqrt(nonNegative(captured)) / math.Abs(s)
	g.alignment = 0
	if d := g.equivalent * g.captured; d > 0 {
		g.alignment = min(g.inner/d, 1) // above 1 by rounding only
		g.alignment *= g.alignment
	}
}

// inverse writes the pseudo-inverse of s into dst.
func (w *workspace) inverse(n int, dst, s []float64) {
	w.eigen.Of(n, s)
	w.eigen.Truncate()
	w.eigen.Inverse(dst)
}

// gradient returns that of the step that is observed: of a map whose form is
// s·B·A of its factors themselves.
func (l *layer) gradient() (*gradient, error) {
	return l.grad.get(l.p.tick, func(g *gradient) error {
		b := l.trained("B")
		switch {
		case !l.free || b == nil:
			return notFree
		case !l.remembered:
			return noStep
		case len(b.grad) == 0:
			return noGradient
		}
		var ga []float32
		if a := l.trained("A"); a != nil {
			ga = a.grad
		}
		g.of(l.work, l.before.of(l), ga, b.grad, l.s)
		return nil
	})
}

// projected is gradient where A and B are both trained: the tangent space of the
// product is then known.
func (l *layer) projected() (*gradient, error) {
	g, err := l.gradient()
	if err == nil && !g.both {
		err = oneSided
	}
	return g, err
}

const gradientCost = "12r²·d + 20r³"

// predicted returns how much the step lowers the loss, to first order: of all
// trained factors.
func (l *layer) predicted() (float64, error) {
	if !l.remembered {
		return 0, noStep
	}
	var sum float64
	for i := range l.factors {
		f := &l.factors[i]
		if len(f.value) == 0 {
			return 0, notAsked
		}
		sum -= f.along()
	}
	return sum, nil
}

var predictedDecrease = Metric{
	Name: "predicted_decrease", Definition: "−Σ <df, gf> over the trained factors f: how much the step lowers the loss, to first order",
	Source: "Conn, Gould and Toint, Trust-Region Methods, 2000", Unit: "loss", Range: "(-∞, ∞)",
	Gauge: Invariant, Rescaling: Linear, Cost: "2·trained parameters", Tier: 0, Aggregate: Sum,
	value: (*layer).predicted,
}

var equivalentGradientNorm = Metric{
	Name: "equivalent_gradient_norm", Definition: "‖g̃‖; a frozen A counts with gA = 0", Source: "arXiv 2407.18242, section 2.1", Unit: "loss/weight", Range: "[0, ∞)",
	Gauge: Dependent, Rescaling: Quadratic, Cost: gradientCost, Tier: 1, Aggregate: RootSumSquares,
	value: func(l *layer) (float64, error) {
		g, err := l.gradient()
		return g.equivalent, err
	},
}

var gradientInner = Metric{
	Name: "gradient_inner", Definition: "<g̃, G> = ‖gA‖² + ‖gB‖²; a frozen A counts with gA = 0", Source: "arXiv 2407.18242, section 2.1", Unit: "(loss/weight)²", Range: "[0, ∞)",
	Gauge: Dependent, Rescaling: Quadratic, Cost: gradientCost, Tier: 1, Aggregate: Sum,
	value: func(l *layer) (float64, error) {
		g, err := l.gradient()
		return g.inner, err
	},
}

var bestStepScale = Metric{
	Name: "best_step_scale", Definition: "<g̃, G>/‖g̃‖²: the c for which c·g̃ is nearest to G", Source: "arXiv 2407.18242, section 2.1", Unit: "1", Range: "[0, ∞)",
	Gauge: Dependent, Rescaling: Unsettled, Cost: gradientCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		g, err := l.gradient()
		if err != nil {
			return 0, err
		}
		return over(g.inner, g.equivalent*g.equivalent)
	},
}

var capturedGradientNorm = Metric{
	Name: "captured_gradient_norm", Definition: "‖P_B·G + G·P_A − P_B·G·P_A‖: as much of G as a change of A and B can follow", Source: "arXiv 2407.18242, theorem 2.1", Unit: "loss/weight", Range: "[0, ‖G‖]",
	Gauge: Invariant, Rescaling: Unscaled, Cost: gradientCost, Tier: 1, Aggregate: RootSumSquares,
	value: func(l *layer) (float64, error) {
		g, err := l.projected()
		return g.captured, err
	},
}

var alignment = Metric{
	Name: "alignment", Definition: "<g̃, G>²/(‖g̃‖²·captured²): how near g̃ is to the best direction that rank r permits, which has 1", Source: "arXiv 2407.18242, section 2.1", Unit: "1", Range: "[0, 1]",
	Gauge: Dependent, Rescaling: Unscaled, Cost: gradientCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		g, err := l.projected()
		switch {
		case err != nil:
			return 0, err
		case g.equivalent == 0 || g.captured == 0:
			return 0, zeroOverZero
		}
		return g.alignment, nil
	},
}

var gradientEffectiveRankA = gradientRank("a", "A", func(g *gradient) []float64 { return g.ga })
var gradientEffectiveRankB = gradientRank("b", "B", func(g *gradient) []float64 { return g.gb })

// gradientRank makes the metric of the effective rank of a factor's gradient.
func gradientRank(suffix, name string, of func(*gradient) []float64) Metric {
	return Metric{
		Name: "gradient_effective_rank_" + suffix, Definition: "effective rank of g" + name, Source: "Roy and Vetterli, EUSIPCO 2007", Unit: "rank", Range: "0 or [1, r]",
		Gauge: Dependent, Rescaling: Unscaled, Cost: gradientCost, Tier: 1, Aggregate: Mean,
		value: func(l *layer) (float64, error) {
			g, err := l.gradient()
			switch {
			case err != nil:
				return 0, err
			case name == "A" && !g.both:
				return 0, oneSided
			}
			r := l.before.of(l).n()
			return geometry.Summarize(l.work.spectrum.OfFactor(r, of(g))).EffectiveRank, nil
		},
	}
}

// The step to first order is s·(B·dA + dB·A), with A = A' − dA.
var updateAlignment = Metric{
	Name: "update_alignment", Definition: "cosine between this step, to first order, and the descent direction that rank r permits", Source: "arXiv 2407.18242, section 2.1", Unit: "1", Range: "[-1, 1]",
	Gauge: Invariant, Rescaling: Unscaled, Cost: changeCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		g, err := l.projected()
		if err != nil {
			return 0, err
		}
		c, err := l.stepped()
		if err != nil {
			return 0, err
		}
		w := l.work
		w.t = gram.Resize(w.t, c.r*c.r)
		for i := range w.t {
			w.t[i] = c.daa[i] - c.dada[i] // dA·Aᵀ
		}
		norm := gram.Dot(g.sb, c.dada) + gram.Dot(g.sa, c.dbdb) + 2*gram.Dot(c.bdb, w.t)
		inner := l.trained("A").along() + l.trained("B").along()
		return cosine(-inner, math.Abs(l.s)*math.Sqrt(nonNegative(norm))*g.captured)
	},
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

// gradientOf returns the gradient of a factor, or nil.
func gradientOf(f *adapter.Factor) []float32 {
	if f == nil || !f.Trained {
		return nil
	}
	return f.GradFloats()
}
