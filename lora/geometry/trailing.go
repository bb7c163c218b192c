package geometry

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Trailing returns the k smallest triplets of w, out×in, of the min(out, in) that it
// has, still from the largest: those of [Operator.Trailing], with a QR factorization in
// float32, which costs 2·n²·(m − n/3) flops for sides n ≤ m. Directions of singular
// values below 1e-7 of their root mean square, where a weight in float32 has its
// rounding, are not told apart.
func Trailing(w *mat.Dense, k int, rng *rand.Rand) (SVD, error) {
	out, in := w.Dims()
	m := matrix{w: w}
	zero := Rounding * mat.Norm(w, 2) / math.Sqrt(float64(min(out, in)))
	return Operator{out, in, m.times, m.turned}.Trailing(k, factorOf(w).solve, zero, rng)
}

// Trailing returns the k smallest triplets, still from the largest. Solve returns
// about (o·oᵀ)⁻¹·x, or (oᵀ·o)⁻¹·x where o is high. Inverse iteration with it, on a
// Krylov space, is where the search begins; then the space takes in the residuals
// r = (o·oᵀ − s²)·u in float64, divided by solve (block Davidson: E. R. Davidson,
// J. Comput. Phys. 17, 1975). What the quotient has outside of the space is how far u
// is from the vectors of the smallest, times the gap behind those as a part of the
// square: it ends at 1e-6. What it has along r is by how much s² is too large, which
// is s² times the square of how far v, the longer one, is off: that ends at 1e-5. So
// what solve does not know costs rounds, and no digits; and as the square is not
// formed, nor are those lost that it has not. It is an error when 100 rounds are not
// enough. Vectors of singular values up to zero are not told apart.
func (o Operator) Trailing(k int, solve func(x *mat.Dense) *mat.Dense, zero float64, rng *rand.Rand) (SVD, error) {
	if o.Out > o.In {
		d, err := o.transpose().Trailing(k, solve, zero, rng)
		return d.turned(), err
	}
	const (
		begin  = 1e-5 // of the largest eigenvalue of solve, which is off by more
		enough = 1e-6 // times the gap, of u
		beside = 1e-5 // of v
	)
	k = min(k, o.Out)
	x, _, err := symmetric(o.Out, k, nil, begin, rng, solve)
	if err != nil {
		return SVD{}, err
	}
	return o.search(k, x, SVD.Tail, func(d SVD, space *mat.Dense) (*mat.Dense, residual) {
		r := o.Times(scaled(d.V, d.S))
		for j, s := range d.S {
			for i := range o.Out {
				r.Set(i, j, r.At(i, j)-s*s*d.U.At(i, j))
			}
		}
		x := solve(r)
		within := multiply(space, multiply(space.T(), x))
		var worst residual
		var wanted []int
		for j, s := range d.S {
			high := mat.Dot(r.ColView(j), x.ColView(j))
			off := x.ColView(j).(*mat.VecDense)
			off.SubVec(off, within.ColView(j))
			if norm := mat.Norm(off, 2); s > zero && (norm > enough || high > beside*beside*s*s) {
				worst = worse(worse(worst, residual{norm, enough}), residual{math.Sqrt(max(high, 0)) / s, beside})
				off.ScaleVec(1/norm, off)
				wanted = append(wanted, j)
			}
		}
		return pick(x, wanted), worst
	})
}
