package geometry

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// An Operator is an Out×In matrix that is known by what it does to columns, in
// float64: Times returns its product with x, In×n, and Turned that of its transpose
// with x, Out×n.
type Operator struct {
	Out, In       int
	Times, Turned func(x *mat.Dense) *mat.Dense
}

func (o Operator) transpose() Operator {
	return Operator{Out: o.In, In: o.Out, Times: o.Turned, Turned: o.Times}
}

// Leading returns the k largest triplets: those of the Krylov space from random
// directions, enlarged until what is left of each, ‖o·v − s·u‖, is 1e-5 of its
// singular value, however small that is beside the largest. It is an error when 100
// rounds are not enough. The numbers of rng decide nothing but rounding.
func (o Operator) Leading(k int, rng *rand.Rand) (SVD, error) {
	if o.Out > o.In {
		d, err := o.transpose().Leading(k, rng)
		return d.turned(), err
	}
	const enough = 1e-5
	k = min(k, o.Out)
	x, _ := QR(o.Times(gaussian64(o.In, min(k+spare, o.Out), rng)))
	return o.search(k, x, SVD.Head, func(d SVD, _ *mat.Dense) (*mat.Dense, residual) {
		off := o.Times(d.V)
		off.Sub(off, scaled(d.U, d.S))
		var worst residual
		var wanted []int
		for j, s := range d.S {
			if norm := mat.Norm(off.ColView(j), 2); norm > enough*s && norm > converged*converged*d.S[0] {
				worst = worse(worst, residual{norm / s, enough})
				scaleColumn(off, j, 1/norm)
				wanted = append(wanted, j)
			}
		}
		return pick(off, wanted), worst
	})
}

// search returns the k triplets of one end, from the columns of x on, which are
// orthonormal; improve is given those that the space has. o is not high.
func (o Operator) search(k int, x *mat.Dense, end func(SVD, int) SVD, improve func(d SVD, space *mat.Dense) (*mat.Dense, residual)) (best SVD, err error) {
	err = search(k, 100, x, o.Turned, func(q, y *mat.Dense) (ritz, error) {
		d, err := project(q, y)
		if err != nil {
			return ritz{}, err
		}
		best = end(d, k)
		lacks, worst := improve(best, q)
		return ritz{lacks, worst, func() (*mat.Dense, *mat.Dense) {
			kept := end(d, k+spare)
			return kept.U, scaled(kept.V, kept.S)
		}}, nil
	})
	return best, err
}

// scaled returns the columns of x times s.
func scaled(x *mat.Dense, s []float64) *mat.Dense {
	y := mat.DenseCopyOf(x)
	for j, v := range s {
		scaleColumn(y, j, v)
	}
	return y
}

// gaussian64 returns n×k Gaussian numbers.
func gaussian64(n, k int, rng *rand.Rand) *mat.Dense {
	x := mat.NewDense(n, k, nil)
	for i := range n {
		for j := range k {
			x.Set(i, j, rng.NormFloat64())
		}
	}
	return x
}
