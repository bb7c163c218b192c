package probe

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// spectrum adds the singular values of the net change of the weight, W' − W0,
// and what follows from them. Where the base was offset the product at the
// start is subtracted. With a gain (DoRA) it is the change before the gain.
func (p *Probe) spectrum(o *observed) {
	var sigma []float64
	switch {
	case o.form.W != nil:
		sigma = p.work.denseSpectrum(o.m.Out, o.m.In, ag.Floats(o.form.W), o.m.W0())
	case o.known():
		a, bt := o.product(&p.work.bt)
		if a0, b0 := o.m.Start(); a0 != nil {
			a, bt = p.work.net(a, bt, ag.Floats(a0), ag.Floats(b0))
		}
		sigma = p.work.spectrum(a, bt, float64(o.m.Scaling))
	default:
		return
	}
	for i, s := range sigma[:min(len(sigma), o.m.Rank)] {
		p.add(o, o.sigmas[i], s)
	}
	s := summarize(sigma)
	p.add(o, "frobenius_norm", s.frobenius)
	p.add(o, "spectral_norm", s.spectral)
	p.add(o, "nuclear_norm", s.nuclear)
	p.add(o, "effective_rank", s.effectiveRank)
	p.add(o, "stable_rank", s.stableRank)
	p.add(o, "participation_ratio", s.participationRatio)
	p.add(o, "energy_rank_95", s.energyRank95)
	if o.lowRank() {
		p.add(o, "rank_usage", s.effectiveRank/float64(o.m.Rank))
	}
}

func sigmaNames(r int) []string {
	names := make([]string, r)
	for i := range names {
		names[i] = fmt.Sprintf("sigma_%d", i+1)
	}
	return names
}

// A summary is what a spectrum comes down to. Of a matrix of zeros all are 0,
// of one that is not finite all are NaN.
type summary struct {
	frobenius, spectral, nuclear                                float64
	effectiveRank, stableRank, participationRatio, energyRank95 float64
}

// summarize takes singular values in descending order. Ratios are taken of
// σ/σ₁, so that squares of small values do not vanish.
func summarize(sigma []float64) summary {
	var s summary
	if len(sigma) == 0 || sigma[0] == 0 {
		return s
	}
	if nan := sigma[0]; math.IsNaN(nan) {
		return summary{nan, nan, nan, nan, nan, nan, nan}
	}
	var sum1, sum2, sum4 float64
	for _, x := range sigma {
		x /= sigma[0]
		sum1 += x
		sum2 += x * x
		sum4 += x * x * x * x
	}
	var entropy, energy float64
	for _, x := range sigma {
		x /= sigma[0]
		if q := x / sum1; q > 0 {
			entropy -= q * math.Log(q)
		}
		if energy < 0.95*sum2 {
			s.energyRank95++
		}
		energy += x * x
	}
	s.frobenius = sigma[0] * math.Sqrt(sum2)
	s.spectral = sigma[0]
	s.nuclear = sigma[0] * sum1
	s.effectiveRank = math.Exp(entropy)
	s.stableRank = sum2
	s.participationRatio = sum2 * sum2 / sum4
	return s
}

// A workspace is the scratch of all maps of a probe.
type workspace struct {
	bt             []float32 // Bᵀ
	x, y           []float32 // stacked factors
	sa, sb         []float64
	t, u           []float64
	c              []float64
	sigma          []float64
	eigen          gram.Eigen
	dense, squared []float64
}

// spectrum returns the singular values of s·B·A in descending order, for A
// n×in and Bᵀ n×out: the roots of the eigenvalues of
//
//	(BᵀB)^½·(A·Aᵀ)·(BᵀB)^½
//
// times s, of which there are as many as the smallest of n, in and out. The
// components are first brought to equal norms in A and B, which changes
// nothing but rounding.
func (w *workspace) spectrum(a, bt gram.Rows, s float64) []float64 {
	n := a.N
	w.sa, w.sb = gram.Resize(w.sa, n*n), gram.Resize(w.sb, n*n)
	gram.Gram(w.sa, a)
	gram.Gram(w.sb, bt)
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

	w.sigma = w.sigma[:0]
	for _, l := range w.eigen.L {
		w.sigma = append(w.sigma, math.Abs(s)*math.Sqrt(l))
	}
	slices.Reverse(w.sigma)
	w.sigma = w.sigma[:min(n, a.Dim, bt.Dim)]
	return w.sigma
}

// balance multiplies component k of B by c_k and that of A by 1/c_k in the
// Gram matrices, with c_k² = ‖a_k‖/‖b_k‖. A component without effect becomes
// zero in both.
func (w *workspace) balance(n int) {
	w.c = gram.Resize(w.c, n)
	for k := range n {
		w.c[k] = 0
		if a, b := w.sa[k*n+k], w.sb[k*n+k]; a != 0 && b != 0 {
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

// net returns factors of B·A − B0·A0, which is (B−B0)·A + B0·(A−A0): stacked
// so, nothing is lost while the factors are still near their start.
func (w *workspace) net(a, bt gram.Rows, a0, b0 []float32) (gram.Rows, gram.Rows) {
	na, nb := len(a.Data), len(bt.Data)
	w.x, w.y = gram.Resize(w.x, 2*na), gram.Resize(w.y, 2*nb)
	copy(w.x, a.Data)
	difference(w.x[na:], a.Data, a0)
	gram.Transpose(w.y[nb:], b0, bt.Dim, bt.N)
	difference(w.y, bt.Data, w.y[nb:])
	return gram.Rows{N: 2 * a.N, Dim: a.Dim, Data: w.x}, gram.Rows{N: 2 * bt.N, Dim: bt.Dim, Data: w.y}
}

// difference writes x − y into the front of dst.
func difference(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v - y[i]
	}
}

// denseSpectrum returns the singular values of w1 − w0, out×in, through the
// Gram matrix of the smaller side.
func (w *workspace) denseSpectrum(out, in int, w1, w0 []float32) []float64 {
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
	w.sigma = w.sigma[:0]
	for _, l := range w.eigen.L {
		w.sigma = append(w.sigma, math.Sqrt(l))
	}
	slices.Reverse(w.sigma)
	return w.sigma
}
