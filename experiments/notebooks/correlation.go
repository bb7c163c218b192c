package notebooks

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Spearman returns the rank correlation (Spearman, Am. J. Psychol. 15(1), 1904) of
// the pairs without NaN; NaN where x or y is constant, or of fewer than two
// pairs.
func Spearman(x, y []float64) float64 {
	x, y = defined(x, y)
	if len(x) < 2 {
		return math.NaN()
	}
	return stat.Correlation(ranks(x), ranks(y), nil)
}

// defined leaves out pairs with a NaN.
func defined(x, y []float64) (a, b []float64) {
	for i := range x {
		if !math.IsNaN(x[i]) && !math.IsNaN(y[i]) {
			a, b = append(a, x[i]), append(b, y[i])
		}
	}
	return a, b
}

// ranks gives equal values the mean of their ranks.
func ranks(values []float64) []float64 {
	sorted := slices.Sorted(slices.Values(values))
	r := make([]float64, len(values))
	for i, v := range values {
		first, found := slices.BinarySearch(sorted, v)
		last := first
		for found && last+1 < len(sorted) && sorted[last+1] == v {
			last++
		}
		r[i] = float64(first+last) / 2
	}
	return r
}

// Correlation writes the rank correlation with its 95 % interval (Bonett and
// Wright, Psychometrika 65(1), 2000).
func Correlation(x, y []float64) string {
	x, y = defined(x, y)
	rho, n := Spearman(x, y), float64(len(x))
	switch {
	case math.IsNaN(rho) || n < 4:
		return "–"
	case math.Abs(rho) > 1-1e-9: // the transform has no place for it
		return fmt.Sprintf("%.2f", rho)
	}
	half := 1.96 * math.Sqrt((1+rho*rho/2)/(n-3))
	return fmt.Sprintf("%.2f [%.2f, %.2f]", rho, math.Tanh(math.Atanh(rho)-half), math.Tanh(math.Atanh(rho)+half))
}
