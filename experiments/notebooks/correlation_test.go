package notebooks

import (
	"fmt"
	"math"
	"testing"
)

// The rank correlation of Spearman's definition: 1 − 6·Σd²/(n(n²−1)) without
// ties, and the mean of the ranks where there are.
func TestSpearman(t *testing.T) {
	// ranks 0 3 1 2 and 0 1 3 2: Σd² = 0 + 4 + 4 + 0
	if got, want := Spearman([]float64{1, 10, 3, 4}, []float64{5, 6, 8, 7}), 1-6.0*8/60; math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	if got := ranks([]float64{2, 1, 2}); got[0] != 1.5 || got[1] != 0 || got[2] != 1.5 {
		t.Errorf("ranks with a tie: %v", got)
	}
	if got := Spearman([]float64{1, 1, 1}, []float64{1, 2, 3}); !math.IsNaN(got) {
		t.Errorf("of a constant: %v", got)
	}
}

// Pairs that lack a value are left out; the interval that of Fisher's transform at n = 12.
func TestCorrelation(t *testing.T) {
	if got, want := Spearman([]float64{1, math.NaN(), 2, 3}, []float64{4, 9, 5, 6}), 1.0; math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	var x []float64
	for i := range 12 {
		x = append(x, float64(i))
	}
	y := []float64{5, 1, 6, 0, 3, 2, 10, 9, 4, 11, 7, 8}
	var squares float64
	for i := range x {
		squares += (x[i] - y[i]) * (x[i] - y[i])
	}
	rho := 1 - 6*squares/(12*143)
	half := 1.96 * math.Sqrt((1+rho*rho/2)/9)
	want := fmt.Sprintf("%.2f [%.2f, %.2f]", rho, math.Tanh(math.Atanh(rho)-half), math.Tanh(math.Atanh(rho)+half))
	if got := Correlation(x, y); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := Correlation(x, x); got != "1.00" {
		t.Errorf("of equal ranks: %s", got)
	}
}
