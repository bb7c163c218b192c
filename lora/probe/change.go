package probe

import (
	"math"

	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A change is what a step has done to a product. With B, A before and B', A'
// after it,
//
//	s·(B'·A' − B·A) = s·[B, dB]·[dA; A']
//
// of rank at most 2r, exactly: all that is asked of it comes from six r×r Gram
// matrices.
type change struct {
	r             int
	dada, daa, aa []float64 // dA·dAᵀ, dA·A'ᵀ, A'·A'ᵀ
	bb, bdb, dbdb []float64 // BᵀB, Bᵀ·dB, dBᵀ·dB
	norm          float64   // of it all
}

// stepped returns the change of this step.
func (l *layer) stepped() (*change, error) {
	return l.change.get(l.p.tick, func(c *change) error {
		now, err := l.now()
		switch {
		case err != nil:
			return err
		case !l.remembered || len(l.before.a) != len(now.a.Data):
			return noStep
		case l.folds != len(l.m.Folded()):
			return folded
		}
		before := l.before.of(l)
		r := now.n()
		c.r = r
		step := l.work.steps(now, before)
		for _, g := range []*[]float64{&c.dada, &c.daa, &c.aa, &c.bb, &c.bdb, &c.dbdb} {
			*g = gram.Resize(*g, r*r)
		}
		gram.Gram(c.dada, step.a)
		gram.Cross(c.daa, step.a, now.a)
		gram.Gram(c.aa, now.a)
		gram.Gram(c.bb, before.bt)
		gram.Cross(c.bdb, before.bt, step.bt)
		gram.Gram(c.dbdb, step.bt)
		square := gram.Dot(c.bb, c.dada) + gram.Dot(c.dbdb, c.aa) + 2*gram.Dot(c.bdb, c.daa)
		c.norm = math.Abs(l.s*l.times()) * math.Sqrt(nonNegative(square))
		return nil
	})
}

// steps returns dA and dBᵀ of a product that has been seen to have [layer.stepped].
func (l *layer) steps() pair {
	now, _ := l.now()
	return l.work.steps(now, l.before.of(l))
}

const folded Undefined = "the step ended with a product that was folded into the base: the factors were begun anew"

// times is how many times s·B·A of the present factors the change of the weight
// has.
func (l *layer) times() float64 { return 1 + float64(l.m.Followed()) }

// nonNegative is x, or 0 for what rounding has put below; NaN stays.
func nonNegative(x float64) float64 {
	if x < 0 {
		return 0
	}
	return x
}

// ofChange returns the spectrum of the change of this step.
func (l *layer) ofChange() (*spectrum, error) {
	return l.moved.get(l.p.tick, func(s *spectrum) error {
		w := l.work
		if whole, ok := l.whole(); ok {
			if !l.remembered || len(l.weight) == 0 {
				return noStep
			}
			s.set(w.spectrum.OfDifference(l.m.Out, l.m.In, whole, l.weight), l.side())
			return nil
		}
		c, err := l.stepped()
		if err != nil {
			return err
		}
		n := 2 * c.r
		w.sa, w.sb = gram.Resize(w.sa, n*n), gram.Resize(w.sb, n*n)
		blocks(c.r, w.sa, c.dada, c.daa, c.aa)
		blocks(c.r, w.sb, c.bb, c.bdb, c.dbdb)
		s.set(w.spectrum.OfGrams(n, min(l.m.In, l.m.Out), w.sa, w.sb, l.s*l.times()), l.side())
		return nil
	})
}

// blocks writes [p, q; qᵀ, t] into dst, 2r×2r.
func blocks(r int, dst, p, q, t []float64) {
	n := 2 * r
	for i := range r {
		for j := range r {
			dst[i*n+j], dst[i*n+r+j] = p[i*r+j], q[i*r+j]
			dst[(r+i)*n+j], dst[(r+i)*n+r+j] = q[j*r+i], t[i*r+j]
		}
	}
}

// updateSize returns the norm of the change, by the spectrum where that is all
// there is.
func (l *layer) updateSize() (float64, error) {
	if _, ok := l.whole(); ok {
		s, err := l.ofChange()
		return s.Frobenius, err
	}
	c, err := l.stepped()
	return c.norm, err
}

// follow adds the step to the path.
func (l *layer) follow() {
	if !l.remembered || l.beforeStep != l.pathStep+1 {
		return
	}
	if v, err := l.updateSize(); err == nil {
		l.path += v
		l.pathStep = l.beforeStep
	}
}

const changeCost = "8r²·d (whole weights 2·in·out·min(in, out))"

var updateNorm = Metric{
	Name: "update_norm", Definition: "norm of the change of ΔW in this step, s·(B·dA + dB·A')", Unit: "weight", Range: "[0, ∞)",
	Gauge: Invariant, Rescaling: Linear, Cost: changeCost, Tier: 0, Aggregate: RootSumSquares,
	value: (*layer).updateSize,
}

var relativeUpdateNorm = Metric{
	Name: "relative_update_norm", Definition: "update_norm/‖W0‖", Unit: "1", Range: "[0, ∞)",
	Gauge: Invariant, Rescaling: Linear, Cost: changeCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		v, err := l.updateSize()
		if err != nil {
			return 0, err
		}
		return over(v, l.w0)
	},
}

var updateShare = Metric{
	Name: "update_share", Definition: "update_norm/‖ΔW‖, ΔW the net change before the step", Unit: "1", Range: "[0, ∞)",
	Gauge: Invariant, Rescaling: Unscaled, Cost: changeCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		v, err := l.updateSize()
		if err != nil {
			return 0, err
		}
		if len(l.before.a) == 0 {
			return 0, notAsked
		}
		before := l.before.of(l)
		before = l.netOf(before)
		return over(v, l.work.norm(before, l.s))
	},
}

var updateEffectiveRank = Metric{
	Name: "update_effective_rank", Definition: "effective rank of the change of ΔW in this step", Source: "Roy and Vetterli, EUSIPCO 2007",
	Unit: "rank", Range: "0 or [1, 2r]", Gauge: Invariant, Rescaling: Unscaled, Cost: changeCost + " + 160r³", Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		s, err := l.ofChange()
		return s.EffectiveRank, err
	},
}

var updateSigma = Metric{
	Name: "update_sigma_", Many: true, Definition: "i-th singular value of the change of ΔW in this step, up to twice the rank", Unit: "weight", Range: "[0, ∞)",
	Gauge: Invariant, Rescaling: Linear, Cost: changeCost + " + 160r³", Tier: 1,
	values: func(l *layer) ([]float64, error) {
		s, err := l.ofChange()
		return s.sigma[:min(len(s.sigma), 2*l.m.Rank)], err
	},
}
