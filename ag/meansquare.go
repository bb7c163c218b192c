package ag

// MeanSquare is y = Σ_ij (x_ij - t_ij)² / (M·n), the loss of a regression on
// targets t. It is 0 for no entries.
//
//	dx_ij = 2·(x_ij - t_ij)·dy / (M·n)
type MeanSquare struct {
	x       Tensor
	targets []float32
	output
}

// NewMeanSquare returns the operator for x M×n and one target an entry, row by
// row; y is 1×1. It keeps targets and reads them anew in each Forward.
func NewMeanSquare(x Tensor, targets []float32) *MeanSquare {
	oneEach("MeanSquare", "targets", targets, x)
	return &MeanSquare{x: x, targets: targets, output: newOutput(1, 1)}
}

func (f *MeanSquare) Operands() []Tensor { return []Tensor{f.x} }

func (f *MeanSquare) Forward() (Tensor, error) {
	x := Floats(f.x)
	var sum float64
	for i, t := range f.targets {
		d := float64(x[i]) - float64(t)
		sum += d * d
	}
	f.y.Floats()[0] = float32(sum / float64(max(len(f.targets), 1)))
	return f.y, nil
}

func (f *MeanSquare) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	x, s := Floats(f.x), 2*Floats(gy)[0]/float32(max(len(f.targets), 1))
	Accumulate(f.x, func(dx []float32, acc bool) {
		if !acc {
			clear(dx)
		}
		for i, t := range f.targets {
			dx[i] += s * (x[i] - t)
		}
	})
	return nil
}
