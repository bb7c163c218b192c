package initial

import (
	"errors"
	"math"

	"github.com/lowrank/lowrank/lora/geometry"
	"gonum.org/v1/gonum/mat"
)

// effectiveRank returns that of w, out×in ([geometry.Summarize]); 1 of a matrix of
// zeros.
func effectiveRank(w []float32, out, in int) (float64, error) {
	d, err := geometry.Dense(w, out, in)
	if err != nil {
		return 0, err
	}
	if _, exp := math.Frexp(max(mat.Max(d), -mat.Min(d))); exp != 0 { // as LAPACK takes it
		d.Scale(math.Ldexp(1, -exp), d)
	}
	var svd mat.SVD
	if !svd.Factorize(d, mat.SVDNone) {
		return 0, errors.New("its singular value decomposition did not converge")
	}
	return max(geometry.Summarize(svd.Values(nil)).EffectiveRank, 1), nil
}
