package notebooks

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval returns the mean of independent values and the 95 % interval of
// Student's t for it (Student, Biometrika 6(1), 1908). It holds as far as means
// of so many values are normal. The interval of fewer than two values is
// unbounded.
func Interval(values []float64) (low, mean, high float64) {
	n := float64(len(values))
	mean, deviation := stat.MeanStdDev(values, nil)
	if n < 2 {
		return math.Inf(-1), mean, math.Inf(1)
	}
	half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * deviation / math.Sqrt(n)
	return mean - half, mean, mean + half
}

// Within writes the mean of values and, in brackets, its 95 % interval, with two
// decimals.
func Within(values []float64) string {
	low, mean, high := Interval(values)
	return fmt.Sprintf("%.2f [%.2f, %.2f]", mean, low, high)
}
