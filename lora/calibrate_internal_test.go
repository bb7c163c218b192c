package lora

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// The moments of more inputs than a strip, over more rows than a product takes at
// once, are the sums of all products, on both sides of the diagonal.
func TestMomentsOfManyInputs(t *testing.T) {
	const n, rows = strip + 37, 700
	l := nn.NewLinear("lin", 2, n, make([]float32, 2*n))
	w := &watch{Linear: l}
	w.inputs = &sums{of: w, mean: make([]float64, n), second: make([]float64, n*n), scaled: make([]float64, n*n)}
	rng := rand.New(rand.NewPCG(1, 2))
	var all []float32
	most := 0.0
	for range 2 {
		x := make([]float32, rows/2*n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
			most = max(most, float64(x[i]))
		}
		all = append(all, x...)
		if err := w.inputs.add([]pass{{&nn.Context{}, ag.NewVariable(rows/2, n, x), nil}}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.moments(2)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {n - 1, 3}, {3, n - 1}, {n - 1, n - 1}, {strip, strip - 1}, {strip - 1, strip}} {
		want := 0.0
		for r := range rows {
			want += float64(all[r*n+at[0]]) * float64(all[r*n+at[1]])
		}
		// Sums of some hundred products in float32.
		if got := m.Second[at[0]*n+at[1]] * rows; math.Abs(got-want) > 1e-3 {
			t.Errorf("Σ xᵀx at %v is %v, want %v", at, got, want)
		}
	}
	if m.Scaled[n] != m.Scaled[1] || m.Scaled[1] == 0 {
		t.Errorf("the scaled moment is %v on one side of the diagonal, %v on the other", m.Scaled[n], m.Scaled[1])
	}
}
