package optim

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// ClipNorm returns the Euclidean norm of the gradients of all groups together
// and, where it is above max, scales every gradient by max/norm in place. It
// runs before [Optimizer.Step]. A max of 0 or less only measures; a norm that
// is not finite changes nothing and is for the caller to act on.
//
// The squares are summed in float64 in the order of the groups.
func ClipNorm(groups []*Group, max float64) (norm float64, clipped bool) {
	var sum float64
	for _, g := range groups {
		for _, p := range g.Params {
			sum += kernels.SumSquares(p.Value.GradFloats())
		}
	}
	norm = math.Sqrt(sum)
	if max <= 0 || !(norm > max) || math.IsInf(norm, 0) {
		return norm, false
	}
	for _, g := range groups {
		for _, p := range g.Params {
			kernels.Scale(float32(max/norm), p.Value.GradFloats())
		}
	}
	return norm, true
}
