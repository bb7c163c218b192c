package ag

import "github.com/lowrank/lowrank/kernels"

// ScaleCols is y_ij = g_j·x_ij, one gain a column: DoRA's gain of an output
// feature, IA³'s vector.
//
//	dx_ij = g_j·dy_ij    dg_j = Σ_i x_ij·dy_ij
type ScaleCols struct {
	x, g Tensor
	n    int
	output
}

// NewScaleCols returns the operator for x M×n and g 1×n; y is M×n.
func NewScaleCols(x, g Tensor) *ScaleCols {
	rowVector("ScaleCols", "g", g, x)
	m, n := Dims(x)
	return &ScaleCols{x: x, g: g, n: n, output: newOutput(m, n)}
}

func (f *ScaleCols) Operands() []Tensor { return []Tensor{f.x, f.g} }

func (f *ScaleCols) Forward() (Tensor, error) {
	kernels.ScaleCols(f.y.rows, f.n, Floats(f.x), f.n, Floats(f.g), f.y.Floats(), f.n, false)
	return f.y, nil
}

func (f *ScaleCols) Backward(gy Tensor) error {
	x, g, dy := Floats(f.x), Floats(f.g), Floats(gy)
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			kernels.ScaleCols(f.y.rows, f.n, dy, f.n, g, dx, f.n, acc)
		})
	}
	if f.g.RequiresGrad() {
		Accumulate(f.g, func(dg []float32, acc bool) {
			if !acc {
				clear(dg)
			}
			for i := range f.y.rows {
				kernels.MulAdd(dg, x[i*f.n:][:f.n], dy[i*f.n:][:f.n])
			}
		})
	}
	return nil
}
