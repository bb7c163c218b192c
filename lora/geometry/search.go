package geometry

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// spare is how many vectors beyond those wanted a search begins with, and begins again
// with: they speed up the last of those.
const spare = 8

// search is Rayleigh and Ritz on a growing space, for k vectors. It begins as the
// columns of x, which are orthonormal, and takes in what fit finds that it lacks, until
// that is nothing; when it is large it begins again from the best of it. Fit is given
// the space q, and y, what apply makes of that.
func search(k, rounds int, x *mat.Dense, apply func(x *mat.Dense) *mat.Dense, fit func(q, y *mat.Dense) (ritz, error)) error {
	most := max(64, 4*(k+spare)) // columns before it begins again
	q, y := x, apply(x)
	for round := 1; ; round++ {
		r, err := fit(q, y)
		n, m := q.Dims()
		if err != nil || r.lacks == nil || m >= n {
			return err
		}
		if round == rounds {
			return fmt.Errorf("its singular vectors did not converge: after %d rounds a residual is %.1e, where %.0e is enough", rounds, r.worst.have, r.worst.enough)
		}
		if _, more := r.lacks.Dims(); m+more > most {
			q, y = r.again()
		}
		if x = orthonormalAgainst(q, r.lacks); x == nil {
			return nil // but for rounding, it has them
		}
		q, y = augment(q, x), augment(y, apply(x))
	}
}

// A ritz is what a space has of the vectors that are looked for.
type ritz struct {
	lacks *mat.Dense // unit columns, of the vectors with too large a residual; nil: of none
	worst residual
	again func() (q, y *mat.Dense) // the best of the space, and what the matrix makes of it
}

// A residual is that of a vector, and how large it may be.
type residual struct{ have, enough float64 }

// worse returns the one that is further from enough.
func worse(r, s residual) residual {
	if r.enough == 0 || s.have*r.enough > r.have*s.enough {
		return s
	}
	return r
}
