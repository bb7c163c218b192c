package ag

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// Attention is softmax(q·kᵀ/√d)·v for each sequence of a batch and each head
// of width d (arXiv 1706.03762, eq. 1), where query head h reads key and value
// head h·G/H of G. Causal attention sees no later token. Of the scores only
// their log-sum-exp is kept (arXiv 2205.14135).
type Attention struct {
	q, k, v                            Tensor
	batch, tokens, heads, kvHeads, dim int
	causal                             bool
	scale                              float32
	lse                                []float32 // batch×heads×tokens
	y                                  *Variable
	grads                              *gradients
}

// NewAttention returns the operator for q M×(heads·d) and k, v M×(kvHeads·d)
// where M = batch·tokens and kvHeads divides heads; y has the shape of q.
func NewAttention(q, k, v Tensor, batch, tokens, heads, kvHeads int, causal bool) *Attention {
	const op = "Attention"
	if batch < 0 || tokens < 0 || heads < 1 || kvHeads < 1 || heads%kvHeads != 0 {
		fail(op, "%d sequences of %d tokens, %d heads, %d key heads: heads must be a multiple of key heads", batch, tokens, heads, kvHeads)
	}
	m, n := Dims(q)
	if m != batch*tokens || n%heads != 0 {
		fail(op, "q is %d×%d, %d sequences of %d tokens, %d heads: q must have %d rows and a multiple of %d columns", m, n, batch, tokens, heads, batch*tokens, heads)
	}
	dim := n / heads
	for _, t := range []struct {
		name string
		Tensor
	}{{"k", k}, {"v", v}} {
		if r, c := Dims(t.Tensor); r != m || c != kvHeads*dim {
			fail(op, "q is %d×%d, %s is %d×%d, %d heads of %d, %d key heads: %s must be %d×%d", m, n, t.name, r, c, heads, dim, kvHeads, t.name, m, kvHeads*dim)
		}
	}
	return &Attention{
		q: q, k: k, v: v,
		batch: batch, tokens: tokens, heads: heads, kvHeads: kvHeads, dim: dim, causal: causal,
		scale: float32(1 / math.Sqrt(float64(dim))),
		lse:   make([]float32, batch*heads*tokens),
		y:     NewVariable(m, n, nil),
		grads: newGradients(q, k, v),
	}
}

func (f *Attention) Operands() []Tensor { return []Tensor{f.q, f.k, f.v} }

func (f *Attention) Forward() (Tensor, error) {
	n, kn := f.heads*f.dim, f.kvHeads*f.dim
	kernels.Attention(f.batch, f.tokens, f.heads, f.kvHeads, f.dim, f.scale, f.causal,
		Floats(f.q), n, Floats(f.k), kn, Floats(f.v), kn, f.y.data, n, f.lse)
	return f.y, nil
}

func (f *Attention) Backward(gy Tensor) error {
	q, k, v, dy := Floats(f.q), Floats(f.k), Floats(f.v), Floats(gy)
	n, kn := f.heads*f.dim, f.kvHeads*f.dim
	f.grads.accumulate(func(g [][]float32, acc bool) {
		kernels.AttentionGrad(f.batch, f.tokens, f.heads, f.kvHeads, f.dim, f.scale, f.causal,
			q, n, k, kn, v, kn, f.y.data, n, f.lse, dy, n, g[0], n, g[1], kn, g[2], kn, acc)
	})
	return nil
}
