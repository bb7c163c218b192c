package ag

import "github.com/lowrank/lowrank/kernels"

// CrossEntropy is Σ_i l_i / D where l_i = log Σ_j exp(z_ij) - z_{i,target_i} in
// nats, and 0 where the target is negative. D is the number of the other rows,
// so that y is their mean, unless [CrossEntropy.SetDivisor] gave it. Without
// any y is 0.
//
//	dz_i = (softmax(z_i) - onehot(target_i)) / D
type CrossEntropy struct {
	z       Tensor
	targets []int32
	v       int
	given   float32 // the divisor that was set, else 0
	count   int
	losses  []float32  // M
	t       []float32  // V: the gradient of a row
	tiled   *tiledLoss // nil: z is there in whole
	output
}

// NewCrossEntropy returns the operator for logits M×V and one target below V a
// row; y is 1×1. It keeps targets and reads them anew in each Forward: who
// changes them keeps them below V, or Forward panics with a [*ShapeError]. Many
// logits that a [FrozenLinear] makes are made a tile at a time, and in whole only
// if they are asked for: see tiledLoss.
func NewCrossEntropy(logits Tensor, targets []int32) *CrossEntropy {
	m, v := Dims(logits)
	if len(targets) != m {
		fail("CrossEntropy", "logits are %d×%d, %d targets: must be one a row", m, v, len(targets))
	}
	f := &CrossEntropy{
		z: logits, targets: targets, v: v,
		losses: make([]float32, m), t: make([]float32, v), output: newOutput(1, 1),
	}
	f.check()
	f.tiled = newTiledLoss(logits)
	return f
}

// check refuses targets that are no classes and counts those that are not ignored.
func (f *CrossEntropy) check() {
	for i, t := range f.targets {
		if int(t) >= f.v {
			fail("CrossEntropy", "target %d of row %d, logits are %d×%d: targets must be below %d", t, i, len(f.targets), f.v, f.v)
		}
	}
	f.count = counted(f.targets)
}

// counted returns how many targets are not ignored.
func counted(targets []int32) (n int) {
	for _, t := range targets {
		if t >= 0 {
			n++
		}
	}
	return n
}

// SetDivisor makes D be n from the next Forward on, the number of targets of
// all micro-batches of a step for instance; 0 stands for the batch's own.
func (f *CrossEntropy) SetDivisor(n float32) { f.given = n }

// Losses returns l of each row as of the last Forward, to be read only.
func (f *CrossEntropy) Losses() []float32 { return f.losses }

// Count returns the number of targets that are not ignored as of the last
// Forward.
func (f *CrossEntropy) Count() int { return f.count }

func (f *CrossEntropy) Operands() []Tensor {
	if f.tiled != nil {
		return []Tensor{f.tiled.p.x}
	}
	return []Tensor{f.z}
}

func (f *CrossEntropy) Forward() (Tensor, error) {
	f.check()
	if f.tiled != nil {
		f.tiled.forward(f, 1/f.divisor())
	} else {
		kernels.CrossEntropy(len(f.targets), f.v, Floats(f.z), f.v, f.targets, f.losses, nil, 0)
	}
	var sum float64
	for _, l := range f.losses {
		sum += float64(l)
	}
	f.y.Floats()[0] = float32(sum / float64(f.divisor()))
	return f.y, nil
}

func (f *CrossEntropy) divisor() float32 {
	if f.given != 0 {
		return f.given
	}
	return float32(max(f.count, 1))
}

// Backward computes the softmax again: to keep it would double the memory of
// the logits, the largest matrix of a language model.
func (f *CrossEntropy) Backward(gy Tensor) error {
	switch {
	case f.tiled != nil && f.tiled.p.x.RequiresGrad():
		f.tiled.backward(f, 1/f.divisor(), Floats(gy)[0])
		return nil
	case f.tiled != nil, !f.z.RequiresGrad():
		return nil
	}
	z, n, s := Floats(f.z), f.v, Floats(gy)[0]/f.divisor()
	Accumulate(f.z, func(dz []float32, acc bool) {
		if !acc {
			kernels.CrossEntropy(len(f.targets), n, z, n, f.targets, f.losses, dz, n)
			kernels.Scale(s, dz)
			return
		}
		for i := range f.targets {
			kernels.CrossEntropy(1, n, z[i*n:], n, f.targets[i:i+1], f.losses[i:i+1], f.t, n)
			kernels.Axpy(s, f.t, dz[i*n:][:n])
		}
	})
	return nil
}

func (f *CrossEntropy) saved() int {
	if f.tiled != nil {
		return len(f.losses) + len(f.tiled.dx)
	}
	return len(f.losses)
}
