package geometry

import (
	"math"
	"math/rand/v2"

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

// FindIntruders looks at the k leading left singular vectors of W0 + ΔW, found
// by products with the two, from W0's own leading ones and the range of ΔW.
// base holds as many leading triplets of W0 as are known; with all of them
// nothing is undecided, and with fewer what lies in none of these is followed by
// products with W0 for some steps ([spread]).
func FindIntruders(w0 *mat.Dense, base SVD, p Product, k int, epsilon float64, rng *rand.Rand) (Intruders, error) {
	m, err := sum(w0, p)
	if err != nil {
		return Intruders{}, err
	}
	left, right := base.First(k)
	if left != nil {
		left, right = augment(left, m.b), augment(right, m.a)
	} else {
		left, right = m.b, m.a
	}
	d, err := m.leading(k, left, right, rng)
	if err != nil {
		return Intruders{}, err
	}
	found := Intruders{S: d.S, Epsilon: epsilon}
	out, in := w0.Dims()
	for j := range d.S {
		u := mat.DenseCopyOf(d.U.Slice(0, out, j, j+1))
		low := 0.0
		if base.U != nil {
			seen := multiply(base.U.T(), u)
			for i := range seen.RawMatrix().Data {
				low = max(low, math.Abs(seen.At(i, 0)))
			}
			u.Sub(u, multiply(base.U, seen))
		}
		rest := mat.Norm(u, 2)
		switch {
		case len(base.S) == min(out, in): // the rest lies in no singular vector
			rest = 0
		case low < epsilon && rest >= epsilon && out <= in:
			u.Scale(1/rest, u)
			rest *= spread(w0, u, epsilon/rest)
		}
		found.Low, found.High = append(found.Low, low), append(found.High, max(low, rest))
	}
	return found, nil
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
