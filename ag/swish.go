package ag

import "github.com/lowrank/lowrank/kernels"

// swish is y = x·σ(βx), element-wise (arXiv 1710.05941). With s = σ(βx), which
// is kept from Forward,
//
//	dx = dy∘s∘(1 + βx∘(1-s))
type swish struct {
	x    Tensor
	beta float32
	s    []float32 // M×n
	output
}

func newSwish(x Tensor, beta float32) swish {
	m, n := Dims(x)
	return swish{x: x, beta: beta, s: make([]float32, m*n), output: newOutput(m, n)}
}

func (f *swish) Operands() []Tensor { return []Tensor{f.x} }

func (f *swish) Forward() (Tensor, error) {
	x, s, y := Floats(f.x), f.s, f.y.Floats()
	for i, v := range x {
		s[i] = -f.beta * v
	}
	kernels.Exp(s, s)
	for i, v := range x {
		s[i] = 1 / (1 + s[i])
		y[i] = v * s[i]
	}
	return f.y, nil
}

func (f *swish) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	x, dy := Floats(f.x), Floats(gy)
	Accumulate(f.x, func(dx []float32, acc bool) {
		if !acc {
			clear(dx)
		}
		for i, s := range f.s {
			dx[i] += dy[i] * s * (1 + f.beta*x[i]*(1-s))
		}
	})
	return nil
}

func (f *swish) saved() int { return len(f.s) }
