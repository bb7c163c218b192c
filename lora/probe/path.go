package probe

import "github.com/lowrank/lowrank/lora/internal/gram"

// displaced returns ‖ΔW − ΔW at the start‖.
func (l *layer) displaced() (float64, error) {
	d, err := l.shift.get(l.p.tick, func(d *float64) error {
		now, err := l.now()
		switch {
		case err != nil:
			return err
		case gated(l.m):
			return gatedStart
		case len(l.m.Folded()) > 0 || l.m.Followed() != 0:
			return folded
		case len(l.start.a) != len(now.a.Data):
			return noStart
		}
		*d = l.work.norm(l.work.difference(now, l.start.of(l)), l.s)
		return nil
	})
	return *d, err
}

const (
	gatedStart Undefined = "the gates weigh the experts: there is no one change from the start"
	noStart    Undefined = "the factors at the start are not known"
	notEvery   Undefined = "a step was left out: tier 0 must be measured at every step"
)

// length returns the length of the path so far.
func (l *layer) length() (float64, error) {
	switch {
	case l.m.Form().W != nil:
		return 0, notAsked
	case l.pathStep == 0:
		return 0, noStep
	case l.pathStep != l.p.step:
		return 0, notEvery
	}
	return l.path, nil
}

var displacement = Metric{
	Name: "displacement", Definition: "‖ΔW − ΔW at the start‖", Unit: "weight", Range: "[0, path_length]",
	Gauge: Invariant, Rescaling: Linear, Cost: "8r²·d", Tier: 1, Aggregate: RootSumSquares,
	value: (*layer).displaced,
}

var pathLength = Metric{
	Name: "path_length", Definition: "Σ over all steps of update_norm", Unit: "weight", Range: "[0, ∞)",
	Gauge: Invariant, Rescaling: Linear, Cost: "0, beside update_norm", Tier: 1, Aggregate: Sum,
	value: (*layer).length,
}

var pathEfficiency = Metric{
	Name: "path_efficiency", Definition: "displacement/path_length", Unit: "1", Range: "[0, 1]",
	Gauge: Invariant, Rescaling: Unscaled, Cost: "0, beside the two", Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		length, err := l.length()
		if err != nil {
			return 0, err
		}
		d, err := l.displaced()
		if err != nil {
			return 0, err
		}
		return over(d, length)
	},
}

// With P, Q before the last step, B, A between the two and B', A' now, the inner
// product of the steps [P, B−P]·[A−Q; A] and [B, B'−B]·[A'−A; A'] is that of
// stacked factors, Σ_ij (X₁X₂ᵀ)_ij·(Y₁ᵀY₂)_ij.
var updateCosine = Metric{
	Name: "update_cosine", Definition: "cosine between the change of ΔW in this step and in the step before", Unit: "1", Range: "[-1, 1]",
	Gauge: Invariant, Rescaling: Unscaled, Cost: "16r²·d", Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		c, err := l.stepped()
		switch {
		case err != nil:
			return 0, err
		case l.earlierFolds != l.folds:
			return 0, folded
		case l.earlierStep == 0 || l.earlierStep+1 != l.beforeStep || len(l.earlier.a) != len(l.before.a):
			return 0, notBefore
		}
		w, r, in, out, step := l.work, c.r, l.m.In, l.m.Out, l.steps()
		now, _ := l.now()
		last := w.difference(l.before.of(l), l.earlier.of(l)) // [A; A−Q] and [B−P, P]
		w.p = gram.Resize(w.p, 2*r*in)
		w.q = gram.Resize(w.q, 2*r*out)
		copy(w.p, now.a.Data)
		copy(w.p[r*in:], step.a.Data)
		copy(w.q, step.bt.Data)
		copy(w.q[r*out:], l.before.bt)
		n := 2 * r
		w.t, w.u = gram.Resize(w.t, n*n), gram.Resize(w.u, n*n)
		gram.Cross(w.t, last.a, gram.Rows{N: n, Dim: in, Data: w.p})
		gram.Cross(w.u, last.bt, gram.Rows{N: n, Dim: out, Data: w.q})
		inner := l.s * l.s * gram.Dot(w.t, w.u)
		return cosine(inner, c.norm/l.times()*w.norm(last, l.s))
	},
}

const notBefore Undefined = "the step before was not observed"

// cosine returns inner/norms within [-1, 1], which it leaves by rounding only.
func cosine(inner, norms float64) (float64, error) {
	c, err := over(inner, norms)
	return max(-1, min(c, 1)), err
}
