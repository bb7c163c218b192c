package geometry

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/internal/gram"
)

// converged is well above the rounding of float64 in sums of some thousands of
// terms, and well below what float32 weights are known to.
const converged = 1e-11

// symmetric returns the k largest eigenvalues of a positive semi-definite n×n
// matrix, which apply multiplies with, and their eigenvectors, by a search that takes
// in the residuals of the vectors found so far (a block Lanczos method that restarts
// from the best of them). It starts from random columns and from those of start, and
// ends when all residuals are at most the part enough of the largest eigenvalue.
func symmetric(n, k int, start *mat.Dense, enough float64, rng *rand.Rand, apply func(*mat.Dense) *mat.Dense) (vectors *mat.Dense, l []float64, err error) {
	x := gaussian64(n, min(k+spare, n), rng)
	if start != nil {
		var both mat.Dense
		both.Augment(x, unit(start)) // k at least stay, were all of start's dependent
		x = &both
	}
	err = search(k, 500, orthonormalAgainst(nil, x), apply, func(q, y *mat.Dense) (ritz, error) {
		e, all, err := eigen(q, y)
		if err != nil {
			return ritz{}, err
		}
		l, vectors = all[:k], multiply(q, first(e, k))
		off := multiply(y, first(e, k))
		var worst residual
		var wanted []int
		for j := range k {
			norm := 0.0
			for i := range n {
				v := off.At(i, j) - l[j]*vectors.At(i, j)
				off.Set(i, j, v)
				norm = math.Hypot(norm, v)
			}
			worst = worse(worst, residual{norm / l[0], enough})
			if norm > enough*l[0] {
				scaleColumn(off, j, 1/norm)
				wanted = append(wanted, j)
			}
		}
		return ritz{pick(off, wanted), worst, func() (*mat.Dense, *mat.Dense) {
			kept := first(e, min(k+spare, len(all)))
			return multiply(q, kept), multiply(y, kept)
		}}, nil
	})
	return vectors, l, err
}

// unit returns the columns of x with norms of about those of random ones, so that
// none is lost beside a larger one.
func unit(x *mat.Dense) *mat.Dense {
	c := mat.DenseCopyOf(x)
	n, k := c.Dims()
	for j := range k {
		if norm := mat.Norm(c.ColView(j), 2); norm > 0 && !math.IsInf(norm, 1) {
			scaleColumn(c, j, math.Sqrt(float64(n))/norm)
		}
	}
	return c
}

// eigen returns the eigenvectors of qᵀ·g·q, in descending order of their
// eigenvalues.
func eigen(q, gq *mat.Dense) (*mat.Dense, []float64, error) {
	t := multiply(q.T(), gq)
	m, _ := t.Dims()
	s := make([]float64, m*m)
	for i := range m {
		for j := range m {
			s[i*m+j] = (t.At(i, j) + t.At(j, i)) / 2
		}
	}
	var e gram.Eigen
	if !e.Of(m, s) {
		return nil, nil, errNotFinite
	}
	vectors, l := mat.NewDense(m, m, nil), make([]float64, m)
	for j := range m {
		l[j] = e.L[m-1-j]
		for i := range m {
			vectors.Set(i, j, e.U[i*m+m-1-j])
		}
	}
	return vectors, l, nil
}

// orthonormalAgainst returns orthonormal columns of the part of x that is
// orthogonal to q, or nil where nothing is left.
func orthonormalAgainst(q, x *mat.Dense) *mat.Dense {
	n, _ := x.Dims()
	width := n
	if q != nil {
		_, k := q.Dims()
		width -= k
	}
	for range 2 { // the first leaves rounding, which the second takes away
		if q != nil {
			x.Sub(x, multiply(q, multiply(q.T(), x)))
		}
		d, r := QR(x)
		var live []int
		_, p := d.Dims()
		for j := range min(p, width) {
			if r.At(j, j) > 1e-12*mat.Norm(r, math.Inf(1)) {
				live = append(live, j)
			}
		}
		if len(live) == 0 {
			return nil
		}
		x = pick(d, live)
	}
	return x
}

func augment(a, b *mat.Dense) *mat.Dense {
	if a == nil {
		return b
	}
	c := new(mat.Dense)
	c.Augment(a, b)
	return c
}

func multiply(a, b mat.Matrix) *mat.Dense {
	c := new(mat.Dense)
	c.Mul(a, b)
	return c
}

// first returns the first k columns.
func first(m *mat.Dense, k int) mat.Matrix {
	rows, _ := m.Dims()
	return m.Slice(0, rows, 0, k)
}

// pick returns a copy of some columns, or nil for none.
func pick(m *mat.Dense, columns []int) *mat.Dense {
	if len(columns) == 0 {
		return nil
	}
	rows, _ := m.Dims()
	p := mat.NewDense(rows, len(columns), nil)
	for i, j := range columns {
		for r := range rows {
			p.Set(r, i, m.At(r, j))
		}
	}
	return p
}
