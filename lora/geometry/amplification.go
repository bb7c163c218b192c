package geometry

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// Amplification returns ‖ΔW‖/‖UᵀW0V‖ in Frobenius norms, where U and V are the
// left and right singular vectors of ΔW: how many times stronger the weight has
// become along the directions of its update (arXiv 2106.09685, section 7.3). It
// is infinite where W0 does nothing along them, NaN where ΔW is zero.
func Amplification(d SVD, w0 *mat.Dense) float64 {
	u, v := d.Ranges()
	if u == nil {
		return math.NaN()
	}
	along := multiply(u.T(), multiply(w0, v))
	return norm(d.S) / mat.Norm(along, 2) // of a matrix this is Frobenius'
}

func norm(s []float64) float64 {
	n := 0.0
	for _, x := range s {
		n = math.Hypot(n, x)
	}
	return n
}
