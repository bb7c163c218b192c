package probe

import (
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// gradientSums are what is asked of the gradient G = DᵀX of a full weight over
// the probe batch, of which no more than a few rows are formed at a time. G is
// the sum of two parts, from the two halves of the batch's rows.
type gradientSums struct {
	first, second, cross float64 // ‖G1‖², ‖G2‖², <G1, G2> of the parts
	variance             float64 // of the estimate of ‖G‖²; 0: it is exact
	halved               bool
}

// total returns ‖G‖².
func (s *gradientSums) total() float64 { return s.first + s.second + 2*s.cross }

const (
	hutchinson = 32      // random vectors of an estimate
	dearer     = 32      // as many times an estimate's cost an exact norm may take
	blockSize  = 6 << 10 // values of a block of rows, of which there is one at a time
)

// rowsAtOnce is how many rows of n values are worked on at a time.
func rowsAtOnce(n int) int { return max(blockSize/n, 8) }

// measure computes them from the rows of the map's input and dy, N×out: by rows
// of G, 2·N·in·out flops, by pairs of rows of the batch, 2·N²·(in+out), or where
// both are dear by random vectors z, E‖Dᵀ(X·z)‖² = ‖G‖² (Hutchinson, Commun.
// Stat. 19(2), 1990), 2·N·(in+out) each.
func (s *gradientSums) measure(l *layer, dy []float32) {
	in, out := l.m.In, l.m.Out
	x := ag.Floats(l.batch.x)
	n := len(dy) / out
	s.first, s.second, s.cross, s.variance = 0, 0, 0, 0
	l.findFirst(x, dy)
	half, ok := l.p.split(n)
	s.halved = ok
	byRows, byPairs, once := float64(n)*float64(in)*float64(out), float64(n)*float64(n)*float64(in+out), float64(n)*float64(in+out)
	switch {
	case min(byRows, byPairs) > dearer*hutchinson*once:
		s.estimate(l.work, in, out, l.rng(), n, half, x, dy)
	case byPairs < byRows:
		s.pairs(l.work, n, half, in, out, x, dy)
	default:
		s.rows(l.work, n, half, in, out, x, dy)
	}
}

// split returns the first of n rows that belongs to the second half.
func (p *Probe) split(n int) (int, bool) {
	if p.Lab == nil {
		return n, false
	}
	h := p.Lab.Halves
	all := h[0].Examples + h[1].Examples
	if h[0].Examples < 1 || h[1].Examples < 1 || n%all != 0 {
		return n, false
	}
	return n / all * h[0].Examples, true
}

// rows forms a few rows of G at a time, of either part.
func (s *gradientSums) rows(w *workspace, n, half, in, out int, x, dy []float32) {
	block := min(rowsAtOnce(in), out)
	w.p, w.q = gram.Resize(w.p, block*in), gram.Resize(w.q, block*in)
	for i := 0; i < out; i += block {
		m := min(block, out-i)
		p, q := w.p[:m*in], w.q[:m*in]
		kernels.MatMul(kernels.TN, false, m, in, half, dy[i:], out, x, in, p, in)
		s.first += kernels.SumSquares(p)
		if half < n {
			kernels.MatMul(kernels.TN, false, m, in, n-half, dy[half*out+i:], out, x[half*in:], in, q, in)
			s.second += kernels.SumSquares(q)
			s.cross += kernels.Dot(p, q)
		}
	}
}

// pairs sums (XXᵀ)∘(DDᵀ), a few rows at a time.
func (s *gradientSums) pairs(w *workspace, n, half, in, out int, x, dy []float32) {
	block := min(rowsAtOnce(n), n)
	w.p, w.q = gram.Resize(w.p, block*n), gram.Resize(w.q, block*n)
	sum := func(from, to, first, last int) (sum float64) {
		for i := from; i < to; i += block {
			m, k := min(block, to-i), last-first
			p, q := w.p[:m*k], w.q[:m*k]
			kernels.MatMul(kernels.NT, false, m, k, in, x[i*in:], in, x[first*in:], in, p, k)
			kernels.MatMul(kernels.NT, false, m, k, out, dy[i*out:], out, dy[first*out:], out, q, k)
			sum += kernels.Dot(p, q)
		}
		return sum
	}
	s.first = sum(0, half, 0, half)
	if half < n {
		s.second = sum(half, n, half, n)
		s.cross = sum(0, half, half, n)
	}
}

// estimate uses random signs, the same for a map in every measurement.
func (s *gradientSums) estimate(w *workspace, in, out int, rng *rand.Rand, n, half int, x, dy []float32) {
	const k = hutchinson
	w.x, w.y = gram.Resize(w.x, in*k), gram.Resize(w.y, n*k)
	w.p, w.q = gram.Resize(w.p, out*k), gram.Resize(w.q, out*k)
	for i := range w.x {
		w.x[i] = float32(1 - 2*int(rng.Uint64()&1))
	}
	kernels.MatMul(kernels.NN, false, n, k, in, x, in, w.x, k, w.y, k)
	kernels.MatMul(kernels.TN, false, out, k, half, dy, out, w.y, k, w.p, k)
	clear(w.q)
	if half < n {
		kernels.MatMul(kernels.TN, false, out, k, n-half, dy[half*out:], out, w.y[half*k:], k, w.q, k)
	}
	var totals [k]float64
	for i, p := range w.p {
		q := float64(w.q[i])
		p := float64(p)
		s.first += p * p / k
		s.second += q * q / k
		s.cross += p * q / k
		totals[i%k] += (p + q) * (p + q)
	}
	for _, v := range totals {
		d := v - s.total()
		s.variance += d * d / (k - 1) / k
	}
}

// ofBatch returns what the probe batch shows of G.
func (l *layer) ofBatch() (*gradientSums, error) {
	return &l.batch.sums, l.visited()
}

const batchGradientCost = "2N·min(in·out, N·d), or 64N·d where that is more than 32 times less"

// gradientSource says where G comes from.
const gradientOfBatch = "G the gradient for the full weight over the probe batch, before DoRA's gain"

// ofSums makes a metric of them.
func ofSums(m Metric, of func(l *layer, s *gradientSums) (float64, error)) Metric {
	m.Gauge, m.Rescaling, m.Cost, m.Tier = Invariant, Unscaled, batchGradientCost, 2
	m.value = func(l *layer) (float64, error) {
		s, err := l.ofBatch()
		if err != nil {
			return 0, err
		}
		return of(l, s)
	}
	return m
}

var gradientNorm = ofSums(Metric{
	Name: "gradient_norm", Definition: "‖G‖, " + gradientOfBatch + "; beyond 32 times the cost of 32 random vectors, by these", Source: "Hutchinson, Commun. Stat. 19(2), 1990",
	Unit: "loss/weight", Range: "[0, ∞)", Aggregate: RootSumSquares,
}, func(_ *layer, s *gradientSums) (float64, error) { return math.Sqrt(nonNegative(s.total())), nil })

var gradientNormError = ofSums(Metric{
	Name: "gradient_norm_error", Definition: "standard error of gradient_norm: 0 where it is exact", Source: "Hutchinson, Commun. Stat. 19(2), 1990",
	Unit: "loss/weight", Range: "[0, ∞)", Aggregate: RootSumSquares,
}, func(_ *layer, s *gradientSums) (float64, error) {
	if s.variance == 0 {
		return 0, nil
	}
	return over(math.Sqrt(s.variance), 2*math.Sqrt(nonNegative(s.total())))
})

// means returns the norms and the inner product of the mean gradients of the two
// halves, of which G is the mean over all labels.
func (s *gradientSums) means(p *Probe) (first, second, cross float64, err error) {
	h := p.Lab.Halves
	if !s.halved || h[0].Labels < 1 || h[1].Labels < 1 {
		return 0, 0, 0, oneHalf
	}
	all := float64(h[0].Labels + h[1].Labels)
	a, b := all/float64(h[0].Labels), all/float64(h[1].Labels)
	return a * a * s.first, b * b * s.second, a * b * s.cross, nil
}

const oneHalf Undefined = "the probe batch has no two halves of examples with labels"

// variance returns tr Σ, the variance of the gradient of one example, from how
// far the halves' gradients lie apart: E‖G1 − G2‖² = tr Σ·(1/b1 + 1/b2).
func (s *gradientSums) spread(p *Probe) (float64, error) {
	first, second, cross, err := s.means(p)
	h := p.Lab.Halves
	return (first + second - 2*cross) / (1/float64(h[0].Examples) + 1/float64(h[1].Examples)), err
}

var gradientSignal = ofSums(Metric{
	Name: "gradient_signal", Definition: "<G1, G2> of the two halves of the probe batch, which estimates ‖E G‖² without bias", Source: "arXiv 1812.06162, appendix A.1",
	Unit: "(loss/weight)²", Range: "(-∞, ∞)", Aggregate: Sum,
}, func(l *layer, s *gradientSums) (float64, error) {
	_, _, cross, err := s.means(l.p)
	return cross, err
})

var gradientVariance = ofSums(Metric{
	Name: "gradient_variance", Definition: "tr Σ, the variance of the gradient of one example, ‖G1 − G2‖²/(1/b1 + 1/b2) of halves of b examples", Source: "arXiv 1812.06162, appendix A.1",
	Unit: "(loss/weight)²", Range: "[0, ∞)", Aggregate: Sum,
}, func(l *layer, s *gradientSums) (float64, error) { return s.spread(l.p) })

var gradientNoiseScale = ofSums(Metric{
	Name: "gradient_noise_scale", Definition: "gradient_variance/gradient_signal: how many examples a batch needs for its signal to equal its noise", Source: "arXiv 1812.06162, eq. 2.9",
	Unit: "examples", Range: "[0, ∞)", Aggregate: NoAggregate,
}, func(l *layer, s *gradientSums) (float64, error) {
	_, _, cross, err := s.means(l.p)
	if err != nil {
		return 0, err
	}
	if cross <= 0 {
		return 0, noSignal
	}
	v, err := s.spread(l.p)
	return v / cross, err
})

const noSignal Undefined = "the halves' gradients do not point the same way: the probe batch is too small to tell"

var modelNoiseScale = Metric{
	Name: "noise_scale", Definition: "Σ gradient_variance/Σ gradient_signal over the maps", Source: "arXiv 1812.06162, eq. 2.9",
	Unit: "examples", Range: "[0, ∞)", Gauge: Invariant, Rescaling: Unscaled, Cost: "0, beside the two", Tier: 2,
	model: func(p *Probe) (float64, error) {
		var noise, signal float64
		for _, l := range p.layers {
			s, err := l.ofBatch()
			if err != nil {
				return 0, err
			}
			_, _, cross, err := s.means(p)
			if err != nil {
				return 0, err
			}
			v, err := s.spread(p)
			if err != nil {
				return 0, err
			}
			noise, signal = noise+v, signal+cross
		}
		if !(signal > 0) {
			return 0, noSignal
		}
		return noise / signal, nil
	},
}

// atBatch returns what the factors' gradients over the probe batch tell of G.
func (l *layer) atBatch() (*gradient, error) {
	if err := l.visited(); err != nil {
		return &l.batch.grad.v, err
	}
	return l.batch.grad.get(l.p.tick, func(g *gradient) error {
		a, b := gradientOf(l.m.Factor("A")), gradientOf(l.m.Factor("B"))
		switch {
		case !l.free:
			return notFree
		case l.trained("A") == nil:
			return oneSided
		case a == nil || b == nil:
			return noGradient
		}
		now, err := l.now()
		if err != nil {
			return err
		}
		w := l.work
		w.q = gram.Resize(w.q, len(b))
		gram.Transpose(w.q, b, l.m.Out, now.n())
		g.of(w, now, a, w.q, l.s)
		return nil
	})
}

// captured makes a metric of G's part in the tangent space and all of it.
func captured(m Metric, gauge Gauge, of func(g *gradient, norm float64) (float64, error)) Metric {
	m.Gauge, m.Cost, m.Tier, m.Aggregate, m.Unit = gauge, "12r²·d, beside gradient_norm", 2, Mean, "1"
	m.value = func(l *layer) (float64, error) {
		s, err := l.ofBatch()
		if err != nil {
			return 0, err
		}
		g, err := l.atBatch()
		if err != nil {
			return 0, err
		}
		if !(s.total() > 0) {
			return 0, zeroOverZero
		}
		return of(g, s.total())
	}
	return m
}

var capturedEnergy = captured(Metric{
	Name: "captured_energy", Definition: "‖Proj_T G‖²/‖G‖², " + gradientOfBatch + ": what any change of A and B can see of it", Source: "arXiv 2407.18242, theorem 2.1", Range: "[0, 1]",
	Rescaling: Unscaled,
}, Invariant, func(g *gradient, norm float64) (float64, error) { return min(g.captured*g.captured/norm, 1), nil })

var gradientGap = captured(Metric{
	Name: "gradient_gap", Definition: "min over c of ‖c·g̃ − G‖²/‖G‖² = 1 − alignment·captured_energy, over the probe batch", Source: "arXiv 2407.18242, section 2.1", Range: "[0, 1]",
	Rescaling: Unscaled,
}, Dependent, func(g *gradient, norm float64) (float64, error) {
	return 1 - min(g.alignment*g.captured*g.captured/norm, 1), nil
})

var trustRatio = Metric{
	Name: "trust_ratio", Definition: "actual over predicted decrease of the loss of the step's own batch in this step: 1 where the loss is linear", Source: "Conn, Gould and Toint, Trust-Region Methods, 2000",
	Unit: "1", Range: "(-∞, ∞)", Gauge: Invariant, Rescaling: Unsettled, Cost: "a forward pass", Tier: 2,
	model: func(p *Probe) (float64, error) {
		if !p.lab.again {
			return 0, noAgain
		}
		var predicted float64
		for _, l := range p.layers {
			v, err := l.predicted()
			if err != nil {
				return 0, err
			}
			predicted += v
		}
		return over(p.Lab.Loss-p.lab.loss, predicted)
	},
}

const noAgain Undefined = "the step's batch was not run again"
