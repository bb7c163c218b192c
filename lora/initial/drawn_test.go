package initial_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

func TestOrthonormal(t *testing.T) {
	m, _ := adapted(t, shapes[0], initial.Orthonormal{})
	a, b := factors(m)
	equal(t, "A·Aᵀ", product(a, a.T()), mat.NewDiagDense(rank, []float64{1, 1, 1}))
	equal(t, "B", b, mat.NewDense(m.Out, rank, nil))
	// More rows than columns: the columns are orthonormal.
	m, _ = adapted(t, [2]int{7, 2}, initial.Orthonormal{})
	a, _ = factors(m)
	equal(t, "Aᵀ·A", product(a.T(), a), mat.NewDiagDense(2, []float64{1, 1}))
	// Uniform: the mean over seeds of A is zero, that of A·Aᵀ's diagonal entries of a
	// row is 1/in.
	sum, squares := 0.0, 0.0
	for seed := range uint64(400) {
		m, _ := seeded(t, shapes[0], initial.Orthonormal{}, seed)
		v := float64(m.Factor("A").Floats()[0])
		sum, squares = sum+v, squares+v*v
	}
	if in := float64(shapes[0][1]); math.Abs(sum/400) > 5/math.Sqrt(400*in) || math.Abs(squares/400*in-1) > 5*math.Sqrt(2.0/400) {
		t.Errorf("A[0,0] has the moments %v and %v, want 0 and %v", sum/400, squares/400, 1/in)
	}
}

// NonZero's product has the size that its variances give, in the mean over
// seeds, and both gradients are alive: neither factor has a zero.
func TestNonZero(t *testing.T) {
	const draws = 50
	squares := 0.0
	var m *adapter.Map
	for seed := range uint64(draws) {
		m, _ = seeded(t, shapes[0], initial.NonZero{A: 1, B: 1}, seed)
		a, b := factors(m)
		n := mat.Norm(product(b, a), 2)
		squares += n * n / draws
		if mat.Norm(a, 2) == 0 || mat.Norm(b, 2) == 0 {
			t.Fatal("a factor is zero")
		}
	}
	variance := 1 / (3 * float64(m.In))
	if want := float64(m.Out*m.In*rank) * variance * variance; math.Abs(squares/want-1) > 0.15 {
		t.Errorf("‖B·A‖² is %v in the mean, want %v", squares, want)
	}
	offset, _ := adapted(t, shapes[0], initial.NonZero{A: 1, B: 1, Offset: true})
	unchanged(t, offset)
}
