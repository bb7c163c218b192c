package geometry

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// Intruders says which of the leading left singular vectors u_1 … u_k of
// W0 + ΔW are like none of W0's: an intruder dimension has
//
//	max_i |<u_j, u_i(W0)>| < ε
//
// over all left singular vectors of W0 (arXiv 2410.21228, section 3). Where not
// all of W0's are known the cosine is an interval, and a dimension may be
// undecided.
type Intruders struct {
	Low, High []float64 // of the largest cosine of each u_j, from the largest singular value
	S         []float64 // singular values of W0 + ΔW
	Epsilon   float64
}

// FindIntruders compares the left singular vectors of after, leading triplets of
// W0 + ΔW ([LeadingSum]), with W0's. base holds as many leading triplets of W0 as
// are known. With all of them nothing is undecided; with fewer, the part of a
// vector that lies in none of these is followed by products with W0 for some
// steps ([spread]).
func FindIntruders(w0 *mat.Dense, base, after SVD, epsilon float64) Intruders {
	found := Intruders{S: after.S, Epsilon: epsilon}
	out, in := w0.Dims()
	inRange := sync.OnceValue(func() func(*mat.Dense) *mat.Dense { return rangeOf(w0) })
	for j := range after.S {
		u := mat.DenseCopyOf(after.U.Slice(0, out, j, j+1))
		low := 0.0
		if base.U != nil {
			seen := multiply(base.U.T(), u)
			for i := range seen.RawMatrix().Data {
				low = max(low, math.Abs(seen.At(i, 0)))
			}
			u.Sub(u, multiply(base.U, seen))
		}
		high := mat.Norm(u, 2)
		switch {
		case len(base.S) == min(out, in): // the rest lies in no singular vector
			high = 0
		case low < epsilon && high >= epsilon:
			u = inRange()(u)
			if high = mat.Norm(u, 2); high >= epsilon {
				u.Scale(1/high, u)
				high *= spread(w0, u, epsilon/high)
			}
		}
		found.Low, found.High = append(found.Low, low), append(found.High, max(low, high))
	}
	return found
}

// rangeOf returns the projection on the range of w, out×in: all there is, where
// out ≤ in, and where w is too large to tell. Singular values below 1e-6 of the
// largest are not seen.
func rangeOf(w *mat.Dense) func(*mat.Dense) *mat.Dense {
	const most = 2048 // columns, whose Gram matrix is to be factored
	out, in := w.Dims()
	whole := func(u *mat.Dense) *mat.Dense { return u }
	if out <= in || in > most {
		return whole
	}
	by, _, ok := Inverse(multiply(w.T(), w), 1e-13*float64(in))
	if !ok {
		return whole
	}
	return func(u *mat.Dense) *mat.Dense { return multiply(w, by(multiply(w.T(), u))) }
}

// Counts returns how many dimensions are intruders for certain, how many are
// not, and how many may be either.
func (x Intruders) Counts() (yes, no, undecided int) {
	for j := range x.S {
		switch {
		case x.High[j] < x.Epsilon:
			yes++
		case x.Low[j] >= x.Epsilon:
			no++
		default:
			undecided++
		}
	}
	return yes, no, undecided
}

// Energy returns Σσ of the dimensions that are intruders for certain over Σσ of
// all that were looked at.
func (x Intruders) Energy() float64 {
	part, all := 0.0, 0.0
	for j, s := range x.S {
		all += s
		if x.High[j] < x.Epsilon {
			part += s
		}
	}
	if all == 0 {
		return 0
	}
	return part / all
}
