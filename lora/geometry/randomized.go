package geometry

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Randomized returns about the k largest triplets of a, m×n, and a few more: a
// is projected on the range of (a·aᵀ)ⁿ·a·Ω, for n iterations and a Gaussian Ω
// with a few columns more than k, and that is decomposed (arXiv 0909.4061).
func Randomized(a *mat.Dense, k, iterations int, rng *rand.Rand) (SVD, error) {
	const more = 8 // oversampling, as the paper advises
	out, in := a.Dims()
	n := min(k+more, min(out, in))
	omega := gaussian64(in, n, rng)
	var y, z mat.Dense
	y.Mul(a, omega)
	q, _ := QR(&y)
	for range iterations {
		z.Mul(a.T(), q)
		qz, _ := QR(&z)
		y.Mul(a, qz)
		q, _ = QR(&y)
	}
	var small mat.Dense
	small.Mul(q.T(), a)
	d, err := Decompose(&small)
	if err != nil {
		return d, err
	}
	u := new(mat.Dense)
	u.Mul(q, d.U)
	d.U = u
	return d, nil
}
