package geometry

import "gonum.org/v1/gonum/mat"

// Inverse returns what multiplies columns by c⁻¹, for a symmetric positive
// semi-definite c, n×n, with as little added to its diagonal as makes it definite in
// float64, from the part least of the diagonal's mean on, and how much that was. It is
// false where c is zero, and where more than the mean would be too little.
func Inverse(c *mat.Dense, least float64) (by func(x *mat.Dense) *mat.Dense, added float64, ok bool) {
	n, _ := c.Dims()
	mean := mat.Trace(c) / float64(n)
	d := mat.NewSymDense(n, append([]float64(nil), c.RawMatrix().Data...))
	var chol mat.Cholesky
	for added = least * mean; mean > 0 && added <= mean; added *= 10 {
		for i := range n {
			d.SetSym(i, i, c.At(i, i)+added)
		}
		if chol.Factorize(d) {
			return divideBy(&chol), added, true
		}
	}
	return nil, 0, false
}

func divideBy(chol *mat.Cholesky) func(x *mat.Dense) *mat.Dense {
	return func(x *mat.Dense) *mat.Dense {
		y := new(mat.Dense)
		_ = chol.SolveTo(y, x) // complains of the poor condition that is looked for
		return y
	}
}
