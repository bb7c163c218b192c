package work

import (
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// LowRankForward is the low-rank products of a map d×d alone, forward:
// u = s·x·Aᵀ, y += u·Bᵀ.
func LowRankForward(d, r, m int) *Work {
	x, a, b := operand(peers.X, m*d), operand(peers.A, r*d), operand(peers.B, d*r)
	u, y := make([]float32, m*r), make([]float32, m*d)
	w := lowRank(peers.LowRankForward, d, r, m, 2, 3, 2, func() {
		kernels.MatMul(kernels.NT, false, m, r, d, x, d, a, d, u, r)
		kernels.Scale(peers.Scaling, u)
		kernels.MatMul(kernels.NT, true, m, d, r, u, r, b, r, y, d)
	})
	w.Outputs = [][]float32{u, y}
	return w
}

// LowRankBackward is the same backward: v = s·dy·B, dx += v·A, dA = vᵀ·x,
// dB = dyᵀ·u.
func LowRankBackward(d, r, m int) *Work {
	x, a, b := operand(peers.X, m*d), operand(peers.A, r*d), operand(peers.B, d*r)
	dy, u := operand(peers.DY, m*d), operand(peers.U, m*r)
	v, dx, da, db := make([]float32, m*r), make([]float32, m*d), make([]float32, r*d), make([]float32, d*r)
	w := lowRank(peers.LowRankBackward, d, r, m, 4, 4, 3, func() {
		kernels.MatMul(kernels.NN, false, m, r, d, dy, d, b, r, v, r)
		kernels.Scale(peers.Scaling, v)
		kernels.MatMul(kernels.NN, true, m, d, r, v, r, a, d, dx, d)
		kernels.LowRankFactorGrads(false, m, r, d, d, x, d, dy, d, u, r, v, r, da, d, db, r)
	})
	w.Outputs = [][]float32{v, dx, da, db}
	return w
}

// lowRank counts so many products of m×d×r, and passes over so many
// arrays of m×d (one that is added to is passed twice). Forward has the factors
// and u beside them; backward their gradients, u and v as well.
func lowRank(kind peers.Kind, d, r, m, products, passes, arrays int, run func()) *Work {
	wide, factor, narrow := float64(m)*float64(d), float64(r)*float64(d), float64(m)*float64(r)
	return &Work{
		Job:   peers.Job{Kind: kind, M: m, N: d, K: d, R: r},
		Flops: 2 * float64(products) * wide * float64(r),
		Bytes: 4 * (float64(passes)*wide + float64(products)*factor + float64(products/2)*narrow),
		Set:   4 * (float64(arrays)*wide + float64(products)*factor + float64(products/2)*narrow),
		Run:   run,
	}
}

// AdaptedForward is a whole adapted map d×d, its frozen weight packed: forward
// y = x·Wᵀ + u·Bᵀ with u = s·x·Aᵀ.
func AdaptedForward(d, r, m int) *Work {
	x, w0, a, b := operand(peers.X, m*d), operand(peers.W, d*d), operand(peers.A, r*d), operand(peers.B, d*r)
	u, y := make([]float32, m*r), make([]float32, m*d)
	p := pack(kernels.NT, d, d, w0)
	w := adapted(peers.AdaptedForward, d, r, m, 2, func() {
		kernels.LowRankForward(m, r, x, d, p, a, d, b, r, peers.Scaling, u, r, nil, y, d)
	})
	w.Outputs = [][]float32{u, y}
	return w
}

// AdaptedBackward is the same backward: dx = dy·W + v·A with v = s·dy·B,
// dA = vᵀ·x, dB = dyᵀ·u.
func AdaptedBackward(d, r, m int) *Work {
	x, w0, a, b := operand(peers.X, m*d), operand(peers.W, d*d), operand(peers.A, r*d), operand(peers.B, d*r)
	dy, u := operand(peers.DY, m*d), operand(peers.U, m*r)
	v, dx, da, db := make([]float32, m*r), make([]float32, m*d), make([]float32, r*d), make([]float32, d*r)
	p := pack(kernels.NN, d, d, w0)
	w := adapted(peers.AdaptedBackward, d, r, m, 4, func() {
		kernels.LowRankInputGrad(false, m, r, dy, d, p, a, d, b, r, peers.Scaling, v, r, dx, d)
		kernels.LowRankFactorGrads(false, m, r, d, d, x, d, dy, d, u, r, v, r, da, d, db, r)
	})
	w.Outputs = [][]float32{v, dx, da, db}
	return w
}

func adapted(kind peers.Kind, d, r, m, products int, run func()) *Work {
	w := lowRank(kind, d, r, m, products, products/2+1, products/2+1, run)
	weight := float64(d) * float64(d)
	w.Flops += 2 * float64(m) * weight
	w.Bytes, w.Set = w.Bytes+4*weight, w.Set+4*weight
	return w
}
