package ag

import "github.com/lowrank/lowrank/kernels"

// ScaleCols is y_ij = g_j·x_ij, one gain a column: DoRA's gain of an output
// feature, IA³'s vector.
//
//	dx_ij = g_j·dy_ij    dg_j = Σ_i x_ij·dy_ij
type ScaleCols struct {
	x, g Tensor
	bias bias
	n    int
	output
	grads *gradients
}

// NewScaleCols returns the operator for x M×n and g 1×n; y is M×n.
func NewScaleCols(x, g Tensor) *ScaleCols {
	rowVector("ScaleCols", "g", g, x)
	m, n := Dims(x)
	return &ScaleCols{x: x, g: g, n: n, output: newOutput(m, n), grads: newGradients(x, g)}
}

// AddBias makes it y_ij = g_j·x_ij + b_j, for b 1×n or nil for none, and returns
// the operator.
func (f *ScaleCols) AddBias(b Tensor) *ScaleCols {
	f.bias = newBias("ScaleCols", b, f.y)
	return f
}

func (f *ScaleCols) Operands() []Tensor { return f.bias.with(f.x, f.g) }

func (f *ScaleCols) Forward() (Tensor, error) {
	biased := f.bias.begin(f.y)
	kernels.ScaleCols(f.y.rows, f.n, Floats(f.x), f.n, Floats(f.g), f.y.Floats(), f.n, biased)
	return f.y, nil
}

func (f *ScaleCols) Backward(gy Tensor) error {
	x, gain, dy := Floats(f.x), Floats(f.g), Floats(gy)
	f.bias.backward(dy)
	f.grads.accumulate(func(g [][]float32, acc bool) {
		if !acc {
			clear(g[1])
		}
		kernels.ScaleColsGrad(f.y.rows, f.n, x, f.n, gain, dy, f.n, g[0], f.n, acc, g[1])
	})
	return nil
}

func (f *ScaleCols) reads() (operands, output bool) { return true, false }

// cheap: beside the product that it scales it takes a hundredth of the time, and DoRA
// has as many of these as of those.
func (f *ScaleCols) cheap() {}
