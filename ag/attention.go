package ag

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// Attention is softmax(scale·q·kᵀ + bias)·v for each sequence of a batch and each
// head of width d (arXiv 1706.03762, eq. 1), where query head h reads key and value
// head h·G/H of G. A mask says which keys a query sees; one that sees none attends
// to all of them alike (see blind). Of the scores only their log-sum-exp is kept
// (arXiv 2205.14135).
type Attention struct {
	q, k, v, bias Tensor
	shape         kernels.AttentionShape
	scale         float32
	mask          Mask
	lse           []float32 // batch×heads×tokens
	ds            []float64 // of the scores of a blind query; nil before there is one
	output
	grads *gradients
}

// Mask says which keys a query sees: see [kernels.Mask]. An operator keeps its First
// and End, which must not change before Backward.
type Mask = kernels.Mask

// AttentionOptions say how the scores are made; the zero value is q·kᵀ/√d of every
// query and key.
type AttentionOptions struct {
	Mask  Mask
	Scale float32 // 0: 1/√d
	Bias  Tensor  // (heads·tokens)×keys, the same for every sequence; nil: none
}

// NewAttention returns the operator for tokens among themselves, of which causal
// lets none see a later one: q is M×(heads·d), k and v are M×(kvHeads·d), where
// M = batch·tokens and kvHeads divides heads; y has the shape of q.
func NewAttention(q, k, v Tensor, batch, tokens, heads, kvHeads int, causal bool) *Attention {
	return NewAttentionTo(q, k, v, batch, tokens, tokens, heads, kvHeads, AttentionOptions{Mask: Mask{Causal: causal}})
}

// NewAttentionTo returns the operator for tokens that look at any keys: q is
// batch·tokens×(heads·d), k and v are batch·keys×(kvHeads·d), and y has the shape
// of q.
func NewAttentionTo(q, k, v Tensor, batch, tokens, keys, heads, kvHeads int, o AttentionOptions) *Attention {
	const op = "Attention"
	if batch < 0 || tokens < 0 || keys < 0 || heads < 1 || kvHeads < 1 || heads%kvHeads != 0 {
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
		if r, c := Dims(t.Tensor); r != batch*keys || c != kvHeads*dim {
			fail(op, "q is %d×%d, %s is %d×%d, %d heads of %d, %d key heads: %s must be %d×%d", m, n, t.name, r, c, heads, dim, kvHeads, t.name, batch*keys, kvHeads*dim)
		}
	}
	operands := []Tensor{q, k, v}
	if o.Bias != nil {
		if r, c := Dims(o.Bias); r != heads*tokens || c != keys {
			fail(op, "bias is %d×%d, %d heads of %d tokens, %d keys: bias must be %d×%d", r, c, heads, tokens, keys, heads*tokens, keys)
		}
		operands = append(operands, o.Bias)
	}
	if err := o.Mask.Check(batch, tokens, keys); err != nil {
		fail(op, "%d sequences of %d tokens and %d keys: mask: %v", batch, tokens, keys, err)
	}
	scale := o.Scale
	if scale == 0 {
		scale = float32(1 / math.Sqrt(float64(dim)))
	}
	return &Attention{
		q: q, k: k, v: v, bias: o.Bias,
		shape: kernels.AttentionShape{Batch: batch, Queries: tokens, Keys: keys, Heads: heads, KVHeads: kvHeads, Dim: dim},
		scale: scale, mask: o.Mask,
		lse:    make([]float32, batch*heads*tokens),
		output: newOutput(m, n),
		grads:  newGradients(operands...),
	}
}

func (f *Attention) Operands() []Tensor { return f.grads.xs }

// biases returns the values of the bias, nil if there is none.
func (f *Attention) biases() []float32 {
	if f.bias == nil {
		return nil
	}
	return Floats(f.bias)
}

func (f *Attention) Forward() (Tensor, error) {
	n, kn := f.shape.Heads*f.shape.Dim, f.shape.KVHeads*f.shape.Dim
	kernels.Attention(f.shape, f.scale, f.mask,
		Floats(f.q), n, Floats(f.k), kn, Floats(f.v), kn, f.biases(), f.shape.Keys, f.y.Floats(), n, f.lse)
	f.blindForward()
	return f.y, nil
}

func (f *Attention) Backward(gy Tensor) error {
	q, k, v, bias, dy := Floats(f.q), Floats(f.k), Floats(f.v), f.biases(), Floats(gy)
	n, kn, keys := f.shape.Heads*f.shape.Dim, f.shape.KVHeads*f.shape.Dim, f.shape.Keys
	f.grads.accumulate(func(g [][]float32, acc bool) {
		var dbias []float32
		if bias != nil && f.bias.RequiresGrad() {
			dbias = g[3]
		}
		kernels.AttentionGrad(f.shape, f.scale, f.mask,
			q, n, k, kn, v, kn, bias, keys, f.y.Floats(), n, f.lse, dy, n, g[0], n, g[1], kn, g[2], kn, dbias, keys, acc)
		f.blindBackward(dy, g[0], g[1], g[2], dbias)
	})
	return nil
}

func (f *Attention) saved() int { return len(f.lse) }
