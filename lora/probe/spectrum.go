package probe

import (
	"github.com/lowrank/lowrank/lora/geometry"
)

// A spectrum is the singular values of a matrix in descending order, and what
// they come down to.
type spectrum struct {
	sigma []float64 // as many as may be other than zero
	geometry.Summary
	numericalRank float64
}

// set keeps a copy of sigma, of a matrix whose larger side is so long.
func (s *spectrum) set(sigma []float64, side int) {
	*s = spectrum{append(s.sigma[:0], sigma...), geometry.Summarize(sigma), geometry.NumericalRank(sigma, side)}
}

// ofNet returns the spectrum of the net change of the weight, W' − W0. Where the
// base was offset the product at the start is subtracted, and what was folded into
// it is added. With a gain (DoRA)
// it is the change before the gain.
func (l *layer) ofNet() (*spectrum, error) {
	return l.net.get(l.p.tick, func(s *spectrum) error {
		w := l.work
		if whole, ok := l.whole(); ok {
			s.set(w.spectrum.OfDifference(l.m.Out, l.m.In, whole, l.m.W0()), l.side())
			return nil
		}
		now, err := l.now()
		if err != nil {
			return err
		}
		s.set(w.spectrum.Of(l.netOf(now).times(l.s)), l.side())
		return nil
	})
}

// ofAdapter returns the spectrum of the adapter's own product where an
// initializer took it, as it started, out of the base.
func (l *layer) ofAdapter() (*spectrum, error) {
	return l.own.get(l.p.tick, func(s *spectrum) error {
		if a, _ := l.m.Start(); a == nil {
			return notOffset
		}
		now, err := l.now()
		if err != nil {
			return err
		}
		s.set(l.work.spectrum.Of(now.times(l.s)), l.side())
		return nil
	})
}

const notOffset Undefined = "nothing was taken out of the base: the adapter is the net change"

func (l *layer) side() int { return max(l.m.In, l.m.Out) }

const (
	spectrumCost = "2r²·d + 20r³ (offset bases 8r²·d; whole weights 2·in·out·min(in, out))"
	netRange     = "0 or [1, r], offset bases [1, 2r]"
)

// A shape is what a spectrum comes down to, of whatever matrix.
type shape struct {
	Metric
	of func(*spectrum) float64
}

// The shapes of spectra. ΔW stands for the matrix.
var shapes = []shape{
	{Metric{Name: "frobenius_norm", Definition: "‖ΔW‖ = √Σσ²", Unit: "weight", Range: "[0, ∞)", Rescaling: Linear, Aggregate: RootSumSquares}, func(s *spectrum) float64 { return s.Frobenius }},
	{Metric{Name: "spectral_norm", Definition: "σ₁ of ΔW", Unit: "weight", Range: "[0, ∞)", Rescaling: Linear, Aggregate: Largest}, func(s *spectrum) float64 { return s.Spectral }},
	{Metric{Name: "nuclear_norm", Definition: "Σσ of ΔW", Unit: "weight", Range: "[0, ∞)", Rescaling: Linear, Aggregate: Sum}, func(s *spectrum) float64 { return s.Nuclear }},
	{Metric{Name: "effective_rank", Definition: "exp(−Σ p·ln p), p = σ/Σσ of ΔW; 0 for ΔW = 0", Source: "Roy and Vetterli, EUSIPCO 2007", Unit: "rank", Range: netRange, Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.EffectiveRank }},
	{Metric{Name: "stable_rank", Definition: "‖ΔW‖²/σ₁²; 0 for ΔW = 0", Source: "Rudelson and Vershynin, J. ACM 54(4), 2007", Unit: "rank", Range: netRange, Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.StableRank }},
	{Metric{Name: "participation_ratio", Definition: "(Σσ²)²/Σσ⁴ of ΔW; 0 for ΔW = 0", Source: "Bell and Dean, Discuss. Faraday Soc. 50, 1970", Unit: "rank", Range: netRange, Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.ParticipationRatio }},
	{Metric{Name: "numerical_rank", Definition: "how many σ are above max(in, out)·2⁻²³·σ₁", Source: "Golub and Van Loan, Matrix Computations, section 5.4", Unit: "rank", Range: "0 … r, offset bases 2r", Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.numericalRank }},
	{Metric{Name: "percent_rank", Definition: "how many σ are above σ₁/100", Unit: "rank", Range: "0 … r, offset bases 2r", Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.PercentRank }},
	{Metric{Name: "energy_rank_90", Definition: "how many of the largest σ have 90 % of Σσ²; 0 for ΔW = 0", Unit: "rank", Range: "0 … r, offset bases 2r", Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.EnergyRank90 }},
	{Metric{Name: "energy_rank_95", Definition: "how many of the largest σ have 95 % of Σσ²; 0 for ΔW = 0", Unit: "rank", Range: "0 … r, offset bases 2r", Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.EnergyRank95 }},
	{Metric{Name: "energy_rank_99", Definition: "how many of the largest σ have 99 % of Σσ²; 0 for ΔW = 0", Unit: "rank", Range: "0 … r, offset bases 2r", Rescaling: Unscaled, Aggregate: Mean}, func(s *spectrum) float64 { return s.EnergyRank99 }},
}

// ofShapes makes a metric of every shape, under a prefix, of the matrix that get
// has the spectrum of.
func ofShapes(prefix, of string, tier int, get func(*layer) (*spectrum, error)) []Metric {
	var all []Metric
	for _, sh := range shapes {
		m := sh.Metric
		m.Name, m.Tier, m.Gauge, m.Cost = prefix+m.Name, tier, Invariant, spectrumCost
		m.Definition = renamed(m.Definition, of)
		read := sh.of
		m.value = func(l *layer) (float64, error) {
			s, err := get(l)
			return read(s), err
		}
		all = append(all, m)
	}
	return all
}

var sigma = Metric{
	Name: "sigma_", Many: true, Definition: "i-th singular value of ΔW, up to the rank", Source: "arXiv 2106.09685, section 7",
	Unit: "weight", Range: "[0, ∞)", Gauge: Invariant, Rescaling: Linear, Cost: spectrumCost, Tier: 1,
	values: func(l *layer) ([]float64, error) {
		s, err := l.ofNet()
		return s.sigma[:min(len(s.sigma), l.m.Rank)], err
	},
}

var rankUsage = Metric{
	Name: "rank_usage", Definition: "effective_rank over the map's rank", Unit: "1", Range: "[0, 1], offset bases [0, 2]",
	Gauge: Invariant, Rescaling: Unscaled, Cost: spectrumCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) { return l.usage(func(s *spectrum) float64 { return s.EffectiveRank }) },
}

var energyUsage = Metric{
	Name: "energy_usage", Definition: "energy_rank_95 over the map's rank", Unit: "1", Range: "[0, 1], offset bases [0, 2]",
	Gauge: Invariant, Rescaling: Unscaled, Cost: spectrumCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) { return l.usage(func(s *spectrum) float64 { return s.EnergyRank95 }) },
}

// usage is a rank over the map's, where it has one.
func (l *layer) usage(of func(*spectrum) float64) (float64, error) {
	if l.m.Form().W != nil {
		return 0, noRank
	}
	s, err := l.ofNet()
	return of(s) / float64(l.m.Rank), err
}

const noRank Undefined = "the form is a whole weight: its rank is not bounded by r"
