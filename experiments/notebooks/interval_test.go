package notebooks

import (
	"math"
	"testing"
)

// Against the table of Student's t: 2.776 for four degrees of freedom.
func TestInterval(t *testing.T) {
	low, mean, high := Interval([]float64{1, 2, 3, 4, 5})
	half := 2.776 * math.Sqrt(2.5/5)
	if mean != 3 || math.Abs(high-3-half) > 1e-3 || math.Abs(3-low-half) > 1e-3 {
		t.Errorf("1 to 5: %v [%v, %v], want 3 ± %v", mean, low, high, half)
	}
	if low, mean, high := Interval([]float64{7}); mean != 7 || !math.IsInf(low, -1) || !math.IsInf(high, 1) {
		t.Errorf("one value: %v [%v, %v]", mean, low, high)
	}
	if got := Within([]float64{1, 1}); got != "1.00 [1.00, 1.00]" {
		t.Error(got)
	}
}
