package ag

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// RoPE rotates the pairs (i, i+dim/2) of each head of row t by the angle
// p·theta^(-2i/dim), where p = t mod tokens is the position (arXiv 2104.09864,
// eq. 34, in the pairing of Hugging Face's models). The gradient is the
// inverse rotation. [RoPEOptions] give other frequencies and positions, and a
// factor of both the result and the gradient.
type RoPE struct {
	x                  Tensor
	heads, dim, tokens int
	cos, sin           []float32 // tokens×dim/2
	output
}

// RoPEOptions say by which angles a row is rotated: pair i of row t by
// (t mod tokens + Offset)·Frequencies[i].
type RoPEOptions struct {
	Frequencies []float64 // dim/2, in radians a position
	Scale       float64   // of cos and sin, YaRN's attention factor (arXiv 2309.00071); 0: 1
	Offset      int       // the position of a sequence's first row, as behind a cache
}

// NewRoPE returns the operator for x M×(heads·dim) of sequences of tokens rows
// each; y has the shape of x. dim must be even. The tables are computed in
// float64.
func NewRoPE(x Tensor, heads, dim, tokens int, theta float64) *RoPE {
	if heads < 1 || dim < 2 || dim%2 != 0 || tokens < 1 || !(theta > 0) {
		fail("RoPE", "%d heads of %d, %d tokens, theta %g: dim must be even, all positive", heads, dim, tokens, theta)
	}
	frequencies := make([]float64, dim/2)
	for i := range frequencies {
		frequencies[i] = math.Pow(theta, -2*float64(i)/float64(dim))
	}
	return NewRoPEWith(x, heads, dim, tokens, RoPEOptions{Frequencies: frequencies})
}

// NewRoPEWith is NewRoPE with angles of one's own.
func NewRoPEWith(x Tensor, heads, dim, tokens int, o RoPEOptions) *RoPE {
	const op = "RoPE"
	if heads < 1 || dim < 2 || dim%2 != 0 || tokens < 1 {
		fail(op, "%d heads of %d, %d tokens: dim must be even, all positive", heads, dim, tokens)
	}
	if len(o.Frequencies) != dim/2 {
		fail(op, "%d frequencies, heads of %d: must be %d", len(o.Frequencies), dim, dim/2)
	}
	scale := o.Scale
	if scale == 0 {
		scale = 1
	}
	if !(scale > 0) || o.Offset < 0 {
		fail(op, "scale %g, offset %d: must not be negative", o.Scale, o.Offset)
	}
	m, n := Dims(x)
	if n != heads*dim {
		fail(op, "x is %d×%d, %d heads of %d: x must have %d columns", m, n, heads, dim, heads*dim)
	}
	f := &RoPE{
		x: x, heads: heads, dim: dim, tokens: tokens,
		cos: make([]float32, tokens*dim/2), sin: make([]float32, tokens*dim/2),
		output: newOutput(m, n),
	}
	for i, frequency := range o.Frequencies {
		for p := range tokens {
			sin, cos := math.Sincos(float64(p+o.Offset) * frequency)
			f.cos[p*dim/2+i], f.sin[p*dim/2+i] = float32(scale*cos), float32(scale*sin)
		}
	}
	return f
}

func (f *RoPE) Operands() []Tensor { return []Tensor{f.x} }

func (f *RoPE) Forward() (Tensor, error) {
	n := f.y.cols
	kernels.RoPE(f.y.rows, f.heads, f.dim, Floats(f.x), n, f.tokens, f.cos, f.sin, f.y.Floats(), n)
	return f.y, nil
}

func (f *RoPE) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	dy, n := Floats(gy), f.y.cols
	Accumulate(f.x, func(dx []float32, acc bool) {
		kernels.RoPEGrad(f.y.rows, f.heads, f.dim, dy, n, f.tokens, f.cos, f.sin, dx, n, acc)
	})
	return nil
}

func (f *RoPE) reads() (operands, output bool) { return false, false }
