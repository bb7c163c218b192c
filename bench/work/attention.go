package work

import (
	"math"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// AttentionForward is causal attention of one sequence.
func AttentionForward(length, heads, dim int) *Work {
	q, k, v, y, lse := attentionOperands(length, heads, dim)
	w := attention(peers.AttentionForward, length, heads, dim, 2, 4, func() {
		attend(length, heads, dim, q, k, v, y, lse)
	})
	w.Outputs = [][]float32{y}
	return w
}

// AttentionBackward is its gradients, from the saved result.
func AttentionBackward(length, heads, dim int) *Work {
	q, k, v, y, lse := attentionOperands(length, heads, dim)
	attend(length, heads, dim, q, k, v, y, lse)
	n, ld := length*heads*dim, heads*dim
	dy, dq, dk, dv := operand(peers.DY, n), make([]float32, n), make([]float32, n), make([]float32, n)
	w := attention(peers.AttentionBackward, length, heads, dim, 5, 8, func() {
		kernels.AttentionGrad(attentionShape(length, heads, dim), attentionScale(dim), causal, q, ld, k, ld, v, ld, nil, 0, y, ld, lse, dy, ld, dq, ld, dk, ld, dv, ld, nil, 0, false)
	})
	w.Outputs = [][]float32{dq, dk, dv}
	return w
}

// The names of attention's operands: X, W, A and DY are q, k, v and dy.
func attentionOperands(length, heads, dim int) (q, k, v, y, lse []float32) {
	n := length * heads * dim
	return operand(peers.X, n), operand(peers.W, n), operand(peers.A, n), make([]float32, n), make([]float32, heads*length)
}

func attend(length, heads, dim int, q, k, v, y, lse []float32) {
	ld := heads * dim
	kernels.Attention(attentionShape(length, heads, dim), attentionScale(dim), causal, q, ld, k, ld, v, ld, nil, 0, y, ld, lse)
}

func attentionShape(length, heads, dim int) kernels.AttentionShape {
	return kernels.AttentionShape{Batch: 1, Queries: length, Keys: length, Heads: heads, KVHeads: heads, Dim: dim}
}

var causal = kernels.Mask{Causal: true}

func attentionScale(dim int) float32 { return float32(1 / math.Sqrt(float64(dim))) }

// attention counts products of the lower triangle, and passes over arrays of
// length × heads·dim.
func attention(kind peers.Kind, length, heads, dim, products, passes int, run func()) *Work {
	bytes := 4 * float64(passes) * float64(length) * float64(heads*dim)
	triangle := float64(length) * float64(length+1) / 2
	return &Work{
		Job:   peers.Job{Kind: kind, M: length, N: heads, K: dim},
		Flops: 2 * float64(products) * triangle * float64(heads*dim), Bytes: bytes, Set: bytes, Run: run,
	}
}
