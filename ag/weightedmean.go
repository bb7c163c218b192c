package ag

import "github.com/lowrank/lowrank/kernels"

// WeightedMean is y = Σ_ij w_ij·x_ij / (M·n) for constants w, a linear
// functional of x as a loss. It is 0 for no entries.
//
//	dx_ij = dy·w_ij / (M·n)
type WeightedMean struct {
	x       Tensor
	weights []float32
	output
}

// NewWeightedMean returns the operator for x M×n and one weight an entry, row
// by row; y is 1×1. It keeps weights and reads them anew in each Forward.
func NewWeightedMean(x Tensor, weights []float32) *WeightedMean {
	oneEach("WeightedMean", "weights", weights, x)
	return &WeightedMean{x: x, weights: weights, output: newOutput(1, 1)}
}

func (f *WeightedMean) Operands() []Tensor { return []Tensor{f.x} }

func (f *WeightedMean) Forward() (Tensor, error) {
	f.y.Floats()[0] = float32(kernels.Dot(Floats(f.x), f.weights) / float64(max(len(f.weights), 1)))
	return f.y, nil
}

func (f *WeightedMean) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		scaleGrad(f.x, Floats(gy)[0]/float32(max(len(f.weights), 1)), f.weights)
	}
	return nil
}
