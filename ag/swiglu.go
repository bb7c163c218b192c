package ag

import "github.com/lowrank/lowrank/kernels"

// SwiGLU is y = silu(gate)∘up with silu(z) = z·σ(z), the gated unit of Llama's
// feed-forward block (arXiv 2002.05202).
type SwiGLU struct {
	gate, up Tensor
	output
	grads *gradients
}

// NewSwiGLU returns the operator for gate and up of one shape, that of y.
func NewSwiGLU(gate, up Tensor) *SwiGLU {
	m, n := sameShape("SwiGLU", "gate", gate, "up", up)
	return &SwiGLU{gate: gate, up: up, output: newOutput(m, n), grads: newGradients(gate, up)}
}

func (f *SwiGLU) Operands() []Tensor { return []Tensor{f.gate, f.up} }

func (f *SwiGLU) Forward() (Tensor, error) {
	kernels.SiLUMul(f.y.Floats(), Floats(f.gate), Floats(f.up))
	return f.y, nil
}

func (f *SwiGLU) Backward(gy Tensor) error {
	gate, up, dy := Floats(f.gate), Floats(f.up), Floats(gy)
	f.grads.accumulate(func(g [][]float32, acc bool) {
		kernels.SiLUMulGrad(g[0], g[1], dy, gate, up, acc)
	})
	return nil
}

func (f *SwiGLU) reads() (operands, output bool) { return true, false }

// cheap: an exponential an element beside the products of three maps.
func (f *SwiGLU) cheap() {}
