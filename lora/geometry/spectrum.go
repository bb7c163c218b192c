package geometry

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A Spectrum computes singular values of products; it keeps its scratch, so that
// nothing is allocated after the first use at a size.
type Spectrum struct {
	sa, sb, t, u, c []float64
	dense, squared  []float64
	sigma           []float64
	eigen           gram.Eigen
}

// Of returns the singular values of ΔW in descending order, valid until the next
// call: the roots of the eigenvalues of
//
//	(BᵀB)^½·(A·Aᵀ)·(BᵀB)^½
//
// times S, of which there are as many as the smallest of n, in and out. The
// components are first brought to equal norms in A and B, which changes
// nothing but rounding.
func (w *Spectrum) Of(p Product) []float64 {
	n := p.A.N
	w.sa, w.sb = gram.Resize(w.sa, n*n), gram.Resize(w.sb, n*n)
	gram.Gram(w.sa, p.A)
	gram.Gram(w.sb, p.Bt)
	return w.ofGrams(n, min(p.A.Dim, p.Bt.Dim), p.S)
}

// OfGrams is Of where all that is known are A·Aᵀ and BᵀB, n×n, and the smaller
// of in and out.
func (w *Spectrum) OfGrams(n, most int, aa, bb []float64, s float64) []float64 {
	w.sa = append(w.sa[:0], aa[:n*n]...)
	w.sb = append(w.sb[:0], bb[:n*n]...)
	return w.ofGrams(n, most, s)
}

func (w *Spectrum) ofGrams(n, most int, s float64) []float64 {
	w.balance(n)
	w.t, w.u = gram.Resize(w.t, n*n), gram.Resize(w.u, n*n)
	w.eigen.Of(n, w.sb)
	for i := range n {
		for j, l := range w.eigen.L {
			w.t[i*n+j] = w.eigen.U[i*n+j] * math.Sqrt(l)
		}
	}
	gram.Mul(n, w.u, w.sa, false, w.t, false)
	gram.Mul(n, w.sa, w.t, true, w.u, false)
	w.eigen.Values(n, w.sa)
	return w.roots(math.Abs(s))[:min(n, most)]
}

// OfFactor returns the singular values, in descending order, of a factor with
// that n×n Gram matrix.
func (w *Spectrum) OfFactor(n int, s []float64) []float64 {
	w.eigen.Values(n, s)
	return w.roots(1)
}

// roots returns the roots of the eigenvalues, times s, in descending order.
func (w *Spectrum) roots(s float64) []float64 {
	w.sigma = w.sigma[:0]
	for _, l := range w.eigen.L {
		w.sigma = append(w.sigma, s*math.Sqrt(l))
	}
	slices.Reverse(w.sigma)
	return w.sigma
}

// balance multiplies component k of B by c_k and that of A by 1/c_k in the
// Gram matrices, with c_k² = ‖a_k‖/‖b_k‖. A component without effect becomes
// zero in both.
func (w *Spectrum) balance(n int) {
	w.c = gram.Resize(w.c, n)
	for k := range n {
		switch a, b := w.sa[k*n+k], w.sb[k*n+k]; {
		case math.IsInf(a, 1) || math.IsInf(b, 1):
			w.c[k] = math.NaN()
		case a == 0 || b == 0:
			w.c[k] = 0
		default:
			w.c[k] = math.Sqrt(math.Sqrt(a / b))
		}
	}
	for i, ci := range w.c {
		for j, cj := range w.c {
			if ci == 0 || cj == 0 {
				w.sa[i*n+j], w.sb[i*n+j] = 0, 0
			} else {
				w.sa[i*n+j] /= ci * cj
				w.sb[i*n+j] *= ci * cj
			}
		}
	}
}

// OfDifference returns the singular values of w1 − w0, out×in, in descending
// order, through the Gram matrix of the smaller side.
func (w *Spectrum) OfDifference(out, in int, w1, w0 []float32) []float64 {
	w.dense = gram.Resize(w.dense, out*in)
	for i, v := range w1 {
		w.dense[i] = float64(v) - float64(w0[i])
	}
	n := min(out, in)
	w.squared = gram.Resize(w.squared, n*n)
	d := blas64.General{Rows: out, Cols: in, Stride: in, Data: w.dense}
	side := blas.NoTrans
	if in < out {
		side = blas.Trans
	}
	blas64.Syrk(side, 1, d, 0, blas64.Symmetric{N: n, Stride: n, Data: w.squared, Uplo: blas.Upper})
	w.eigen.Values(n, w.squared)
	return w.roots(1)
}
