package ag

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// RoPE rotates the pairs (i, i+dim/2) of each head of row t by the angle
// p·theta^(-2i/dim), where p = t mod tokens is the position (arXiv 2104.09864,
// eq. 34, in the pairing of Hugging Face's models). The gradient is the
// inverse rotation.
type RoPE struct {
	x                  Tensor
	heads, dim, tokens int
	cos, sin           []float32 // tokens×dim/2
	y                  *Variable
}

// NewRoPE returns the operator for x M×(heads·dim) of sequences of tokens rows
// each; y has the shape of x. dim must be even. The tables are computed in
// float64.
func NewRoPE(x Tensor, heads, dim, tokens int, theta float64) *RoPE {
	const op = "RoPE"
	if heads < 1 || dim < 2 || dim%2 != 0 || tokens < 1 || !(theta > 0) {
		fail(op, "%d heads of %d, %d tokens, theta %g: dim must be even, all positive", heads, dim, tokens, theta)
	}
	m, n := Dims(x)
	if n != heads*dim {
		fail(op, "x is %d×%d, %d heads of %d: x must have %d columns", m, n, heads, dim, heads*dim)
	}
	f := &RoPE{
		x: x, heads: heads, dim: dim, tokens: tokens,
		cos: make([]float32, tokens*dim/2), sin: make([]float32, tokens*dim/2),
		y: NewVariable(m, n, nil),
	}
	for i := range dim / 2 {
		frequency := math.Pow(theta, -2*float64(i)/float64(dim))
		for p := range tokens {
			sin, cos := math.Sincos(float64(p) * frequency)
			f.cos[p*dim/2+i], f.sin[p*dim/2+i] = float32(cos), float32(sin)
		}
	}
	return f
}

func (f *RoPE) Operands() []Tensor { return []Tensor{f.x} }

func (f *RoPE) Forward() (Tensor, error) {
	x, n := Floats(f.x), f.y.cols
	for i := 0; i < f.y.rows; i += f.tokens {
		rows := min(f.tokens, f.y.rows-i)
		kernels.RoPE(rows, f.heads, f.dim, x[i*n:], n, f.cos, f.sin, f.y.data[i*n:], n)
	}
	return f.y, nil
}

func (f *RoPE) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	dy, n := Floats(gy), f.y.cols
	Accumulate(f.x, func(dx []float32, acc bool) {
		for i := 0; i < f.y.rows; i += f.tokens {
			rows := min(f.tokens, f.y.rows-i)
			kernels.RoPEGrad(rows, f.heads, f.dim, dy[i*n:], n, f.cos, f.sin, dx[i*n:], n, acc)
		}
	})
	return nil
}
