package notebooks

import (
	"fmt"
	"math"
	"slices"
)

// Quartiles returns the quartiles of the values, interpolated linearly between
// neighbours (Hyndman and Fan, The American Statistician 50(4), 1996, type 7);
// NaN where there are no values.
func Quartiles(values []float64) (low, median, high float64) {
	sorted := slices.Sorted(slices.Values(values))
	return quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)
}

func quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Spread writes the median of values and, in brackets, the first and the third
// quartile, with two decimals.
func Spread(values []float64) string {
	low, median, high := Quartiles(values)
	return fmt.Sprintf("%.2f [%.2f, %.2f]", median, low, high)
}

// Span writes the median of values and, in parentheses, the lowest and the
// highest, with three decimals; a value that is alone, alone.
func Span(values []float64) string {
	_, median, _ := Quartiles(values)
	if len(values) < 2 {
		return fmt.Sprintf("%.3f", median)
	}
	return fmt.Sprintf("%.3f (%.3f – %.3f)", median, slices.Min(values), slices.Max(values))
}
