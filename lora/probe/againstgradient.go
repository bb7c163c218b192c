package probe

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// What g̃ and the step are beside G itself, over the probe batch.

var rawGradientGap = captured(Metric{
	Name: "gradient_gap_raw", Definition: "‖g̃ − G‖/‖G‖ as they are, over the probe batch: of g̃'s scale more than of its direction, for which there is gradient_gap", Source: "arXiv 2407.18242, eq. 4", Range: "[0, ∞)",
	Rescaling: Unsettled,
}, Dependent, func(g *gradient, norm float64) (float64, error) {
	return math.Sqrt(nonNegative(g.equivalent*g.equivalent-2*g.inner+norm) / norm), nil
})

// ofEquivalent returns the effective rank of g̃ = s·[B, gB]·[gA; A] over the probe
// batch.
func (l *layer) ofEquivalent() (float64, error) {
	g, err := l.atBatch()
	if err != nil {
		return 0, err
	}
	w := l.work
	r := l.m.Factor("A").Rows()
	w.sa, w.sb = gram.Resize(w.sa, 4*r*r), gram.Resize(w.sb, 4*r*r)
	blocks(r, w.sa, g.ga, g.k, g.sa)
	blocks(r, w.sb, g.sb, g.kb, g.gb)
	return geometry.Summarize(w.spectrum.OfGrams(2*r, min(l.m.In, l.m.Out), w.sa, w.sb, l.s)).EffectiveRank, nil
}

var equivalentGradientRank = Metric{
	Name: "equivalent_gradient_effective_rank", Definition: "effective rank of g̃ over the probe batch", Source: "Roy and Vetterli, EUSIPCO 2007", Unit: "rank", Range: "0 or [1, 2r]",
	Gauge: Dependent, Rescaling: Unscaled, Cost: gradientCost + " + 160r³", Tier: 2, Aggregate: Mean,
	value: (*layer).ofEquivalent,
}

var gradientUsage = Metric{
	Name: "gradient_usage", Definition: "equivalent_gradient_effective_rank/gradient_dimensionality_high: how much of G's variety g̃ has", Source: "RaLoRA, ICLR 2026, OpenReview kObvnQ6pUx", Unit: "1", Range: "[0, ∞)",
	Gauge: Dependent, Rescaling: Unscaled, Cost: "0, beside the two", Tier: 3, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		v, err := l.ofEquivalent()
		if err != nil {
			return 0, err
		}
		if l.batch.why != nil {
			return 0, l.batch.why
		}
		return over(v, l.batch.dimensions.high)
	},
}

// The step to first order is s·(B'·dA + dB·A'), seen from where it ended: there the
// probe batch was run.
var stepCosine = Metric{
	Name: "step_cosine", Definition: "cosine between this step, to first order, and −G, " + gradientOfBatch, Source: "arXiv 2407.18242, section 2.1", Unit: "1", Range: "[-1, 1]",
	Gauge: Invariant, Rescaling: Unscaled, Cost: changeCost + ", beside gradient_norm", Tier: 2, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		sums, err := l.ofBatch()
		if err != nil {
			return 0, err
		}
		gradB := gradientOf(l.m.Factor("B"))
		switch {
		case !l.free:
			return 0, notFree
		case gradB == nil:
			return 0, noGradient
		}
		c, err := l.stepped()
		if err != nil {
			return 0, err
		}
		w, r := l.work, c.r
		bb, bdb := gram.Resize(w.t, r*r), gram.Resize(w.u, r*r) // B'ᵀB', B'ᵀdB
		for i := range r {
			for j := range r {
				k := i*r + j
				bb[k] = c.bb[k] + c.bdb[k] + c.bdb[j*r+i] + c.dbdb[k]
				bdb[k] = c.bdb[k] + c.dbdb[k]
			}
		}
		w.t, w.u = bb, bdb
		norm := gram.Dot(bb, c.dada) + gram.Dot(c.aa, c.dbdb) + 2*gram.Dot(bdb, c.daa)

		step := l.steps()
		w.q = gram.Resize(w.q, len(gradB))
		gram.Transpose(w.q, gradB, l.m.Out, r)
		inner := kernels.Dot(step.bt.Data, w.q)
		if gradA := gradientOf(l.m.Factor("A")); gradA != nil {
			inner += kernels.Dot(step.a.Data, gradA)
		}
		return cosine(-inner, math.Abs(l.s)*math.Sqrt(nonNegative(norm))*math.Sqrt(nonNegative(sums.total())))
	},
}
