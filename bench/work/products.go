package work

import (
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// MatMul is Y (m×n) = X·W, the operands held as op says, nothing packed
// beforehand.
func MatMul(op kernels.Op, m, n, k int) *Work {
	x, w, y := operand(peers.X, m*k), operand(peers.W, k*n), make([]float32, m*n)
	ldx, ldw := k, n
	switch op {
	case kernels.NT:
		ldw = k
	case kernels.TN:
		ldx = m
	}
	return product(peers.MatMul, op, m, n, k, y, func() { kernels.MatMul(op, false, m, n, k, x, ldx, w, ldw, y, n) })
}

// MatMulPacked is the same with W packed.
func MatMulPacked(op kernels.Op, m, n, k int) *Work {
	x, w, y := operand(peers.X, m*k), operand(peers.W, k*n), make([]float32, m*n)
	p := pack(op, k, n, w)
	return product(peers.MatMulPacked, op, m, n, k, y, func() { kernels.MatMulPacked(false, m, x, k, p, y, n) })
}

func product(kind peers.Kind, op kernels.Op, m, n, k int, y []float32, run func()) *Work {
	bytes := 4 * (float64(m)*float64(k) + float64(k)*float64(n) + float64(m)*float64(n))
	return &Work{
		Job:   peers.Job{Kind: kind, Op: op, M: m, N: n, K: k},
		Flops: 2 * float64(m) * float64(n) * float64(k), Bytes: bytes, Set: bytes,
		Outputs: [][]float32{y}, Run: run,
	}
}

// pack packs W (k×n), held without gaps.
func pack(op kernels.Op, k, n int, w []float32) *kernels.Packed {
	if op == kernels.NT {
		return kernels.Pack(op, k, n, w, k)
	}
	return kernels.Pack(op, k, n, w, n)
}
