package ag_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
)

// At orthonormal rows the norm and its gradient are 0, not NaN.
func TestOrthogonalityAtZero(t *testing.T) {
	a := ag.NewParameter(2, 3, []float32{0, 1, 0, -1, 0, 0})
	tape := ag.NewTape()
	y := tape.Run(ag.NewOrthogonality(a, true))
	for range 2 {
		if err := tape.Backward(y); err != nil {
			t.Fatal(err)
		}
		if ag.Floats(y)[0] != 0 || !slices.Equal(a.GradFloats(), make([]float32, 6)) {
			t.Errorf("the norm is %g, its gradient %v", ag.Floats(y)[0], a.GradFloats())
		}
	}
}
