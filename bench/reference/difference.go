package reference

import (
	"math"

	"github.com/lowrank/lowrank/experiments/verify"
)

// far stands for a difference that is no number, which JSON has not.
const far = math.MaxFloat64

// difference returns the largest between two lists of values.
func difference[T float32 | float64](got, want []T) float64 {
	return largest(got, want, func(T) float64 { return 1 })
}

// ofTolerance returns the largest difference as a part of what the references
// of experiments/verify allow.
func ofTolerance(got, want []float32) float64 {
	return largest(got, want, func(w float32) float64 { return verify.Values.Abs + verify.Values.Rel*math.Abs(float64(w)) })
}

func largest[T float32 | float64](got, want []T, unit func(want T) float64) float64 {
	if len(got) != len(want) {
		return far
	}
	most := 0.0
	for i := range got {
		d := math.Abs(float64(got[i])-float64(want[i])) / unit(want[i])
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return far
		}
		most = max(most, d)
	}
	return most
}
