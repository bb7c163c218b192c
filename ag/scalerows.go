package ag

import "github.com/lowrank/lowrank/kernels"

// ScaleRows is y_ij = g_i·x_ij, one gain a row: AdaLoRA's E∘A, VeRA's d∘A and
// b∘B.
//
//	dx_ij = g_i·dy_ij    dg_i = Σ_j x_ij·dy_ij
type ScaleRows struct {
	x, g Tensor
	n    int
	output
}

// NewScaleRows returns the operator for x r×n and g r×1 or 1×r; y is r×n.
func NewScaleRows(x, g Tensor) *ScaleRows {
	r, n := Dims(x)
	if gr, gc := Dims(g); !(gr == r && gc == 1) && !(gr == 1 && gc == r) {
		fail("ScaleRows", "x is %d×%d, g is %d×%d: g must be %d×1 or 1×%d", r, n, gr, gc, r, r)
	}
	return &ScaleRows{x: x, g: g, n: n, output: newOutput(r, n)}
}

func (f *ScaleRows) Operands() []Tensor { return []Tensor{f.x, f.g} }

func (f *ScaleRows) Forward() (Tensor, error) {
	kernels.ScaleRows(f.y.rows, f.n, Floats(f.x), f.n, Floats(f.g), f.y.Floats(), f.n, false)
	return f.y, nil
}

func (f *ScaleRows) Backward(gy Tensor) error {
	x, g, dy := Floats(f.x), Floats(f.g), Floats(gy)
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			kernels.ScaleRows(f.y.rows, f.n, dy, f.n, g, dx, f.n, acc)
		})
	}
	if f.g.RequiresGrad() {
		Accumulate(f.g, func(dg []float32, acc bool) {
			if !acc {
				clear(dg)
			}
			for i := range dg {
				dg[i] += float32(kernels.Dot(x[i*f.n:][:f.n], dy[i*f.n:][:f.n]))
			}
		})
	}
	return nil
}
