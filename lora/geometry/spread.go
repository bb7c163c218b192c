package geometry

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/internal/gram"
)

// spread returns a bound, from above, of the largest |<u, u_i>| over the left
// singular vectors u_i of w, for a unit vector u, n×1; it stops once the bound
// is below wanted. The squares of the cosines are the weights that u puts on
// the eigenvalues of w·wᵀ. Some steps of Lanczos' recurrence from u give nodes
// θ_1 < θ_2 < … and weights ω of a Gauss quadrature, and by the inequalities of
// Chebyshev, Markov and Stieltjes no eigenvalue between two nodes has more
// weight than the two have,
//
//	|<u, u_i>|² ≤ max_j ω_j + ω_{j+1}
//
// so that a few products with w show that a vector is spread over many
// directions, none of which need be known (Szegő, Orthogonal Polynomials,
// section 3.41).
func spread(w, u *mat.Dense, wanted float64) float64 {
	const steps, every = 96, 16
	m := of(w)
	n, _ := u.Dims()
	q := mat.DenseCopyOf(u)
	var diagonal, beside []float64
	bound := 1.0
	for range min(steps, n) {
		_, k := q.Dims()
		v := m.times(m.turned(mat.DenseCopyOf(q.Slice(0, n, k-1, k))))
		last := mat.Dot(q.ColView(k-1), v.ColView(0))
		diagonal = append(diagonal, last)
		for range 2 {
			v.Sub(v, multiply(q, multiply(q.T(), v)))
		}
		next := mat.Norm(v, 2)
		end := next <= m.enough()*1e-3*largest(diagonal) // of the space that u reaches
		if end || k%every == 0 || k == min(steps, n) {
			bound = math.Sqrt(heaviest(diagonal, beside))
		}
		if end || bound < wanted {
			break
		}
		beside = append(beside, next)
		v.Scale(1/next, v)
		q = augment(q, v)
	}
	return min(bound, 1)
}

// heaviest returns the largest sum of the weights of two neighbouring nodes of
// the quadrature whose Jacobi matrix has these diagonals: the squared first
// entries of its eigenvectors.
func heaviest(diagonal, beside []float64) float64 {
	n := len(diagonal)
	jacobi := make([]float64, n*n)
	for j, d := range diagonal {
		jacobi[j*n+j] = d
		if j > 0 {
			jacobi[j*n+j-1], jacobi[(j-1)*n+j] = beside[j-1], beside[j-1]
		}
	}
	var e gram.Eigen
	if !e.Of(n, jacobi) {
		return 1
	}
	before, most := 0.0, 0.0
	for j := range n {
		weight := e.U[j] * e.U[j]
		most = max(most, before+weight)
		before = weight
	}
	return most
}

func largest(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, v)
	}
	return m
}
