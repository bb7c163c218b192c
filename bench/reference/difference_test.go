package reference

import (
	"math"
	"testing"
)

func TestDifference(t *testing.T) {
	if d := difference([]float64{1, 2, 4}, []float64{1, 2.5, 3.75}); d != 0.5 {
		t.Errorf("%g", d)
	}
	nan := float32(math.NaN())
	for _, got := range [][]float32{{1}, {1, nan}, {1, float32(math.Inf(1))}} {
		if d := difference(got, []float32{1, 2}); d != far {
			t.Errorf("%v: %g", got, d)
		}
	}
}

// TestOfTolerance: 1e-5 + 1e-4·|wanted| is one tolerance.
func TestOfTolerance(t *testing.T) {
	for _, c := range []struct{ got, want, of float64 }{{1e-5, 0, 1}, {100 + 1.001e-2, 100, 1}, {-3, -3, 0}} {
		d := ofTolerance([]float32{float32(c.got)}, []float32{float32(c.want)})
		if math.Abs(d-c.of) > 1e-3 { // of float32 at 100
			t.Errorf("%g for %g: %g of the tolerance, want %g", c.got, c.want, d, c.of)
		}
	}
}
