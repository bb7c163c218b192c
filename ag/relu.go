package ag

// ReLU is y = max(x, 0), element-wise. The gradient is dy where x > 0, and 0
// elsewhere.
type ReLU struct {
	x Tensor
	output
}

// NewReLU returns the operator; y has the shape of x.
func NewReLU(x Tensor) *ReLU {
	m, n := Dims(x)
	return &ReLU{x: x, output: newOutput(m, n)}
}

func (f *ReLU) Operands() []Tensor { return []Tensor{f.x} }

func (f *ReLU) Forward() (Tensor, error) {
	for i, x := range Floats(f.x) {
		f.y.Floats()[i] = max(x, 0)
	}
	return f.y, nil
}

func (f *ReLU) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	x, dy := Floats(f.x), Floats(gy)
	Accumulate(f.x, func(dx []float32, acc bool) {
		if !acc {
			clear(dx)
		}
		for i := range dx {
			if x[i] > 0 {
				dx[i] += dy[i]
			}
		}
	})
	return nil
}
