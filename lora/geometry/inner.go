package geometry

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/internal/gram"
)

// Inner returns the Frobenius inner product <ΔW, ΔW'> of two updates of one
// weight,
//
//	s·s'·Σ (B^T·B')∘(A·A'^T)
//
// from their Gram matrices: 2·n·n'·(in+out) flops.
func Inner(p, q Product) float64 {
	a, b := make([]float64, p.A.N*q.A.N), make([]float64, p.A.N*q.A.N)
	gram.Cross(a, p.A, q.A)
	gram.Cross(b, p.Bt, q.Bt)
	return p.S * q.S * gram.Dot(a, b)
}

// Norm returns ‖ΔW‖ in the Frobenius norm.
func (p Product) Norm() float64 { return math.Sqrt(max(Inner(p, p), 0)) }

// Cosine returns <ΔW, ΔW'>/(‖ΔW‖·‖ΔW'‖). It is NaN where one is zero.
func Cosine(p, q Product) float64 {
	n, m := p.Norm(), q.Norm()
	if n == 0 || m == 0 {
		return math.NaN()
	}
	return min(max(Inner(p, q)/n/m, -1), 1)
}

// Minus returns ΔW − ΔW', of the sum of the ranks. Of updates with one rank and
// one scaling it is (B − B')·A + B'·(A − A'), stacked so that nothing is lost
// where they are near each other.
func (p Product) Minus(q Product) Product {
	a := Rows{N: p.A.N + q.A.N, Dim: p.A.Dim, Data: append([]float32(nil), p.A.Data...)}
	bt := Rows{N: a.N, Dim: p.Bt.Dim, Data: append([]float32(nil), p.Bt.Data...)}
	if p.A.N == q.A.N && p.S == q.S {
		for i, v := range q.A.Data {
			a.Data = append(a.Data, p.A.Data[i]-v)
		}
		for i, v := range q.Bt.Data {
			bt.Data[i] -= v
		}
		bt.Data = append(bt.Data, q.Bt.Data...)
		return Product{a, bt, p.S}
	}
	a.Data = append(a.Data, q.A.Data...)
	for i := range bt.Data {
		bt.Data[i] *= float32(p.S)
	}
	for _, v := range q.Bt.Data {
		bt.Data = append(bt.Data, float32(-q.S)*v)
	}
	return Product{a, bt, 1}
}

// Interference returns ‖P_U'·ΔW·P_V'‖/‖ΔW‖ in the Frobenius norm, where P_U'
// and P_V' project on the left and the right range of ΔW': how much of ΔW reads
// what ΔW' reads and writes where it writes, from 0, nothing, to 1. It is NaN
// where one is zero.
func Interference(d, other SVD) float64 {
	left, right := other.Ranges()
	u, v := d.Ranges()
	if left == nil || u == nil {
		return math.NaN()
	}
	var l, r mat.Dense
	l.Mul(left.T(), u)
	r.Mul(right.T(), v)
	norm := 0.0
	for k, s := range d.S[:d.Rank()] {
		scaleColumn(&l, k, s)
		norm = math.Hypot(norm, s)
	}
	var core mat.Dense
	core.Mul(&l, r.T())
	return min(mat.Norm(&core, 2)/norm, 1)
}
