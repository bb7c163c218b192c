package geometry

import (
	"math"

	"github.com/lowrank/lowrank/lora/internal/gram"
)

// Gram returns x·xᵀ, N×N.
func Gram(x Rows) []float64 {
	s := make([]float64, x.N*x.N)
	gram.Gram(s, x)
	return s
}

// Condition returns σ₁/σ_n of a factor with that n×n Gram matrix: infinite where
// it is rank deficient to the precision of its numbers, below 1e-5·σ₁.
func (w *Spectrum) Condition(n int, s []float64) float64 {
	w.eigen.Values(n, s)
	w.eigen.Truncate()
	if w.eigen.L[0] == 0 {
		return math.Inf(1)
	}
	return math.Sqrt(w.eigen.L[n-1] / w.eigen.L[0])
}

// Balance returns ‖BᵀB − A·Aᵀ‖ in the Frobenius norm from the two Gram matrices:
// gradient flow on both factors leaves the difference as it is (arXiv
// 1806.00900).
func Balance(a, b []float64) float64 {
	var sum float64
	for i, x := range b {
		sum += (x - a[i]) * (x - a[i])
	}
	return math.Sqrt(sum)
}
