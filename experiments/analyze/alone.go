package analyze

import (
	"math"
	"strconv"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
)

// alone adds what the factors tell without a base: the spectrum of ΔW and what
// it comes down to, and the norms, conditions and balance of A and B.
func (s *sheet) alone(m *Map) {
	var spectrum geometry.Spectrum
	if m.missing != nil {
		s.note(m.missing)
	} else {
		var sigma []float64
		if m.whole != nil {
			sigma = spectrum.OfDifference(m.Out, m.In, m.whole, m.W0())
		} else {
			sigma = spectrum.Of(m.update)
		}
		for i, v := range sigma[:min(len(sigma), m.Rank)] {
			s.add("sigma_"+strconv.Itoa(i+1), v)
		}
		x := geometry.Summarize(sigma)
		s.add("frobenius_norm", x.Frobenius)
		s.add("spectral_norm", x.Spectral)
		s.add("nuclear_norm", x.Nuclear)
		s.add("effective_rank", x.EffectiveRank)
		s.add("stable_rank", x.StableRank)
		s.add("participation_ratio", x.ParticipationRatio)
		s.add("numerical_rank", geometry.NumericalRank(sigma, max(m.Out, m.In)))
		s.add("percent_rank", x.PercentRank)
		s.add("energy_rank_90", x.EnergyRank90)
		s.add("energy_rank_95", x.EnergyRank95)
		s.add("energy_rank_99", x.EnergyRank99)
		if m.whole == nil {
			s.add("rank_usage", x.EffectiveRank/float64(m.Rank))
			s.add("energy_usage", x.EnergyRank95/float64(m.Rank))
		}
	}
	a, b := m.Factor("A"), m.Factor("B")
	if a != nil {
		s.add("norm_a", math.Sqrt(kernels.SumSquares(a.Floats())))
	}
	if b != nil {
		s.add("norm_b", math.Sqrt(kernels.SumSquares(b.Floats())))
	}
	var gramA, gramB []float64
	if trained(a) {
		gramA = geometry.Gram(geometry.Rows{N: a.Rows(), Dim: a.Cols(), Data: a.Floats()})
		s.add("condition_a", spectrum.Condition(a.Rows(), gramA))
	}
	if trained(b) {
		gramB = geometry.Gram(geometry.Of(1, b.Floats(), b.Rows(), make([]float32, b.Cols()), 1).Bt)
		s.add("condition_b", spectrum.Condition(b.Cols(), gramB))
	}
	if gramA != nil && len(gramA) == len(gramB) {
		s.add("balance", geometry.Balance(gramA, gramB))
	}
}

func trained(f *adapter.Factor) bool { return f != nil && f.Trained }
