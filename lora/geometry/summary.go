package geometry

import "math"

// A Summary is what a spectrum comes down to. Of a matrix of zeros all are 0,
// of one that is not finite all are NaN.
type Summary struct {
	Frobenius, Spectral, Nuclear float64 // ‖ΔW‖, σ₁, Σσ
	EffectiveRank                float64 // exp(−Σ p·ln p), p = σ/Σσ
	StableRank                   float64 // Σσ²/σ₁²
	ParticipationRatio           float64 // (Σσ²)²/Σσ⁴
	PercentRank                  float64 // how many are above σ₁/100
	EnergyRank90                 float64 // how many of the largest have 90 % of Σσ²
	EnergyRank95                 float64
	EnergyRank99                 float64
}

// Summarize takes singular values in descending order. Ratios are taken of
// σ/σ₁, so that squares of small values do not vanish.
func Summarize(sigma []float64) Summary {
	var s Summary
	if len(sigma) == 0 || sigma[0] == 0 {
		return s
	}
	if nan := sigma[0]; math.IsNaN(nan) {
		return Summary{nan, nan, nan, nan, nan, nan, nan, nan, nan, nan}
	}
	var sum1, sum2, sum4 float64
	for _, x := range sigma {
		x /= sigma[0]
		sum1 += x
		sum2 += x * x
		sum4 += x * x * x * x
	}
	var entropy, energy float64
	for _, x := range sigma {
		x /= sigma[0]
		if q := x / sum1; q > 0 {
			entropy -= q * math.Log(q)
		}
		count(&s.PercentRank, x > 1e-2)
		count(&s.EnergyRank90, energy < 0.90*sum2)
		count(&s.EnergyRank95, energy < 0.95*sum2)
		count(&s.EnergyRank99, energy < 0.99*sum2)
		energy += x * x
	}
	s.Frobenius = sigma[0] * math.Sqrt(sum2)
	s.Spectral = sigma[0]
	s.Nuclear = sigma[0] * sum1
	s.EffectiveRank = math.Exp(entropy)
	s.StableRank = sum2
	s.ParticipationRatio = sum2 * sum2 / sum4
	return s
}

func count(n *float64, yes bool) {
	if yes {
		*n++
	}
}

// NumericalRank returns how many singular values of a matrix whose larger side
// is so long are above side·ε·σ₁, ε = 2⁻²³ the rounding of float32 (Golub and
// Van Loan, Matrix Computations, section 5.4); NaN where they are.
func NumericalRank(sigma []float64, side int) float64 {
	const epsilon = 1.0 / (1 << 23)
	n := 0.0
	for _, x := range sigma {
		switch {
		case math.IsNaN(x):
			return x
		case x > float64(side)*epsilon*sigma[0]:
			n++
		}
	}
	return n
}
