package ag

import "math"

// BinaryCrossEntropy is Σ_ij l_ij / (M·n) in nats, with one Bernoulli variable
// an entry,
//
//	l = -t·log σ(z) - (1-t)·log(1-σ(z)) = max(z, 0) - t·z + log(1 + exp(-|z|))
//
// for logits z and targets t, the mean of PyTorch's BCEWithLogitsLoss. It is 0
// for no entries.
//
//	dz_ij = (σ(z_ij) - t_ij)·dy / (M·n)
type BinaryCrossEntropy struct {
	z       Tensor
	targets []float32
	n       int
	output
}

// NewBinaryCrossEntropy returns the operator for logits M×n and one target in
// [0, 1] an entry, row by row; y is 1×1. It keeps targets and reads them anew in
// each Forward: who changes them keeps them in range, or Forward panics with a
// [*ShapeError].
func NewBinaryCrossEntropy(logits Tensor, targets []float32) *BinaryCrossEntropy {
	oneEach("BinaryCrossEntropy", "targets", targets, logits)
	_, n := Dims(logits)
	f := &BinaryCrossEntropy{z: logits, targets: targets, n: n, output: newOutput(1, 1)}
	f.check()
	return f
}

func (f *BinaryCrossEntropy) check() {
	for i, t := range f.targets {
		if !(t >= 0 && t <= 1) {
			fail("BinaryCrossEntropy", "target %g of row %d, column %d: targets must be in [0, 1]", t, i/f.n, i%f.n)
		}
	}
}

func (f *BinaryCrossEntropy) Operands() []Tensor { return []Tensor{f.z} }

func (f *BinaryCrossEntropy) Forward() (Tensor, error) {
	f.check()
	z := Floats(f.z)
	var sum float64
	for i, t := range f.targets {
		z, t := float64(z[i]), float64(t)
		sum += max(z, 0) - t*z + math.Log1p(math.Exp(-math.Abs(z)))
	}
	f.y.Floats()[0] = float32(sum / float64(max(len(f.targets), 1)))
	return f.y, nil
}

func (f *BinaryCrossEntropy) Backward(gy Tensor) error {
	if !f.z.RequiresGrad() {
		return nil
	}
	z, s := Floats(f.z), float64(Floats(gy)[0])/float64(max(len(f.targets), 1))
	Accumulate(f.z, func(dz []float32, acc bool) {
		if !acc {
			clear(dz)
		}
		for i, t := range f.targets {
			dz[i] += float32(s * (1/(1+math.Exp(-float64(z[i]))) - float64(t)))
		}
	})
	return nil
}
