package geometry

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/kernels"
)

// Rows become orthonormal to the rounding of float32, whether they are independent,
// nearly dependent or so far that some have nothing of their own.
func TestOrthonormalize(t *testing.T) {
	const n, size = 300, 12
	for _, apart := range []float64{1, 0.05, 1e-3, 1e-6, 0} {
		b := newBlock(n, 400, size, rand.New(rand.NewPCG(1, 1)))
		rng := rand.New(rand.NewPCG(2, 2))
		common := make([]float64, n)
		for i := range common {
			common[i] = rng.NormFloat64()
		}
		for i := range b.x {
			b.x[i] = float32(7 * (common[i%n] + apart*rng.NormFloat64()))
		}
		b.orthonormalize()
		for i := range size {
			for j := range size {
				want := 0.0
				if i == j {
					want = 1
				}
				got := kernels.Dot(b.x[i*n:(i+1)*n], b.x[j*n:(j+1)*n])
				// A few roundings of 6e-8 of entries whose squares sum to 1.
				if math.Abs(got-want) > 5e-7 {
					t.Fatalf("%v apart: rows %d and %d have the product %v, want %v", apart, i, j, got, want)
				}
			}
		}
	}
}
