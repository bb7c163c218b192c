package ag

import "slices"

// Sum is the objective y = Σ_i w_i·x_i of several 1×1 losses.
type Sum struct {
	weights []float32
	xs      []Tensor
	output
}

// NewSum returns the operator for 1×1 tensors, one weight each; y is 1×1.
func NewSum(weights []float32, xs ...Tensor) *Sum {
	if len(weights) != len(xs) {
		fail("Sum", "%d weights, %d tensors: must be as many", len(weights), len(xs))
	}
	for _, x := range xs {
		if r, c := Dims(x); r != 1 || c != 1 {
			fail("Sum", "x is %d×%d: must be 1×1", r, c)
		}
	}
	return &Sum{weights: slices.Clone(weights), xs: slices.Clone(xs), output: newOutput(1, 1)}
}

func (f *Sum) Operands() []Tensor { return f.xs }

func (f *Sum) Forward() (Tensor, error) {
	var sum float64
	for i, x := range f.xs {
		sum += float64(f.weights[i]) * float64(Floats(x)[0])
	}
	f.y.Floats()[0] = float32(sum)
	return f.y, nil
}

func (f *Sum) Backward(gy Tensor) error {
	dy := Floats(gy)[0]
	for i, x := range f.xs {
		if !x.RequiresGrad() {
			continue
		}
		Accumulate(x, func(dx []float32, acc bool) {
			if !acc {
				dx[0] = 0
			}
			dx[0] += f.weights[i] * dy
		})
	}
	return nil
}
