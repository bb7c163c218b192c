package geometry

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Angles returns the principal angles between two subspaces of one space, from
// the smallest, as many as the smaller subspace has dimensions. Small angles
// come from their sines, large ones from their cosines, so that all are known
// to the rounding of float64 (Björck and Golub, Math. Comp. 27, 1973).
func Angles(p, q *mat.Dense) ([]float64, error) {
	if p == nil || q == nil {
		return nil, nil
	}
	_, kp := p.Dims()
	_, kq := q.Dims()
	if kp < kq {
		p, q = q, p
	}
	var cross, along mat.Dense
	cross.Mul(p.T(), q)
	along.Mul(p, &cross)
	along.Sub(q, &along) // (I − P·Pᵀ)·Q
	cos, err := values(&cross)
	if err != nil {
		return nil, err
	}
	sin, err := values(&along)
	if err != nil {
		return nil, err
	}
	slices.Reverse(sin)
	angles := make([]float64, len(sin))
	for i := range angles {
		if cos[i] > math.Sqrt2/2 {
			angles[i] = math.Asin(min(sin[i], 1))
		} else {
			angles[i] = math.Acos(min(cos[i], 1))
		}
	}
	return angles, nil
}

// values returns the singular values of a small or tall matrix.
func values(a *mat.Dense) ([]float64, error) {
	if rows, cols := a.Dims(); rows > cols {
		t, _, _ := factorRows(a)
		a = triangle(t, cols)
	}
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDNone) {
		return nil, errNoSVD
	}
	return svd.Values(nil), nil
}

// Overlap returns ‖PᵀQ‖²/k of two subspaces, where k is the dimension of the
// smaller one: the mean squared cosine of their principal angles, 1 where one
// lies in the other and 0 where they are orthogonal (φ of arXiv 2106.09685,
// section 7.2). A subspace of k random directions of n has k'/n with one of k'
// dimensions, in the mean. It is NaN where one is nil.
func Overlap(p, q *mat.Dense) float64 {
	if p == nil || q == nil {
		return math.NaN()
	}
	_, kp := p.Dims()
	_, kq := q.Dims()
	var cross mat.Dense
	cross.Mul(p.T(), q)
	norm := mat.Norm(&cross, 2) // of a matrix this is Frobenius'
	return min(norm*norm/float64(min(kp, kq)), 1)
}

// Geodesic returns the Grassmann distance ‖θ‖ of subspaces with those principal
// angles: the length of the shortest path between them.
func Geodesic(angles []float64) float64 {
	sum := 0.0
	for _, t := range angles {
		sum += t * t
	}
	return math.Sqrt(sum)
}

// Chordal returns the chordal distance ‖sin θ‖; √2 times it is the Frobenius
// norm of the difference of the two projections.
func Chordal(angles []float64) float64 {
	sum := 0.0
	for _, t := range angles {
		s := math.Sin(t)
		sum += s * s
	}
	return math.Sqrt(sum)
}
