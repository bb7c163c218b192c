package geometry

import (
	"math"
	"testing"
)

// Rows that are stretched, turned by a known angle, and of zeros.
func TestMovement(t *testing.T) {
	magnitude, direction := Movement([]float32{3, 4, 1, 0, 0, 0}, []float32{6, 8, 0, 1, 7, 7}, 2)
	near(t, "magnitude", magnitude, (5.0+0)/2, 1, 1e-12)
	near(t, "direction", direction, (0+1.0)/2, 1, 1e-12)
	if m, d := Movement(make([]float32, 2), []float32{1, 1}, 2); !math.IsNaN(m) || !math.IsNaN(d) {
		t.Errorf("rows of zeros have moved by %v, %v", m, d)
	}
	if n := NumericalRank([]float64{1, 1e-3, 1e-6, 0}, 100); n != 2 { // 100·2⁻²³ is 1.2e-5
		t.Errorf("numerical rank %v: must be 2", n)
	}
	if !math.IsNaN(NumericalRank([]float64{math.NaN()}, 3)) {
		t.Error("what is no number has a rank")
	}
}
