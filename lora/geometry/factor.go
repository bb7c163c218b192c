package geometry

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	lapackgo "gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A factor is the lower triangle of an orthogonal factorization w = l·q of a matrix
// that is not high, or of wᵀ, as float32 finds it: exact for a w whose rows are off by
// some roundings. l·lᵀ is w·wᵀ, or wᵀ·w, without the digits that the square loses.
type factor struct{ l blas64.Triangular }

// factorOf returns the factor of w.
func factorOf(w *mat.Dense) factor {
	n, m := w.Dims()
	x, exp := narrowed(w)
	if n > m {
		turned := make([]float32, n*m)
		gram.Transpose(turned, x, n, m)
		x, n, m = turned, m, n
	}
	reflect(n, m, x)
	return triangleOf(n, m, x, exp)
}

// Solver returns what [Operator.Trailing] needs of w·c, for a symmetric positive
// definite c, without its product: the two have their factors each, and each its own
// condition. Where w is high, (c·wᵀ·w·c)⁻¹ = c⁻¹·(l·lᵀ)⁻¹·c⁻¹; where it is not, w = l·q and
// q·c = g·p, so that (w·c²·wᵀ)⁻¹ = (l·g·gᵀ·lᵀ)⁻¹.
func Solver(w, c *mat.Dense) (func(x *mat.Dense) *mat.Dense, error) {
	n, m := w.Dims()
	if n > m {
		f := factorOf(w)
		var chol mat.Cholesky
		if !chol.Factorize(mat.NewSymDense(m, c.RawMatrix().Data)) {
			return nil, errNotDefinite
		}
		inverse := divideBy(&chol)
		return func(x *mat.Dense) *mat.Dense { return inverse(f.solve(inverse(x))) }, nil
	}
	x, exp := narrowed(w)
	all := reflect(n, m, x)
	l := triangleOf(n, m, x, exp)
	q := orthonormalRows(n, m, all)
	y, exp := narrowed(c)
	kernels.MatMul(kernels.NN, false, n, m, m, q, m, y, m, x, m)
	reflect(n, m, x)
	g := triangleOf(n, m, x, exp)
	return func(x *mat.Dense) *mat.Dense { return l.turned(g.solve(l.times(x))) }, nil
}

var errNotDefinite = errors.New("the metric is not positive definite")

// narrowed returns w·2^−exp in float32, whose largest entry is about 1.
func narrowed(w *mat.Dense) (x []float32, exp int) {
	_, exp = math.Frexp(max(mat.Max(w), -mat.Min(w)))
	return narrowTimes(math.Ldexp(1, -exp), w), exp
}

// triangleOf returns the factor in the first columns of x, n×m, times 2^exp. What is
// divided by stays away from zero, to which rounding brings it where rows are
// dependent.
func triangleOf(n, m int, x []float32, exp int) factor {
	l, top := make([]float64, n*n), 0.0
	for i := range n {
		for j := range i + 1 {
			l[i*n+j] = math.Ldexp(float64(x[i*m+j]), exp)
		}
		top = max(top, math.Abs(l[i*n+i]))
	}
	least := 1e-2 * Rounding * top
	if top == 0 {
		least = 1
	}
	for i := range n {
		if d := &l[i*n+i]; math.Abs(*d) < least {
			*d = least
		}
	}
	return factor{blas64.Triangular{Uplo: blas.Lower, Diag: blas.NonUnit, N: n, Stride: n, Data: l}}
}

// A reflection is H = I − vᵀ·t·v of columns from a place on: that of a panel of rows.
type reflection struct {
	at, rows, long int
	v, t           []float32 // rows×long and rows×rows
}

// apply makes a·H, or a·Hᵀ with TN, of so many rows of a from its place on.
func (h reflection) apply(op kernels.Op, rows int, a []float32, lda int) {
	tv, along := make([]float32, h.rows*h.long), make([]float32, rows*h.rows)
	kernels.MatMul(op, false, h.rows, h.long, h.rows, h.t, h.rows, h.v, h.long, tv, h.long)
	kernels.MatMul(kernels.NT, false, rows, h.rows, h.long, a, lda, h.v, h.long, along, h.rows)
	kernels.Scale(-1, along)
	kernels.MatMul(kernels.NN, true, rows, h.long, h.rows, along, h.rows, tv, h.long, a, lda)
}

// reflect makes w, n×m with n ≤ m, lower triangular by Householder reflections: those
// of a panel of rows are found in float64, and the rows below are multiplied by them
// in float32. It costs 2·n²·(m − n/3) flops.
func reflect(n, m int, w []float32) (all []reflection) {
	const panel = 32
	for j := 0; j < n; j += panel {
		h := reflection{at: j, rows: min(panel, n-j), long: m - j}
		v := mat.NewDense(h.rows, h.long, nil)
		for i := range h.rows {
			for k, x := range w[(j+i)*m+j:][:h.long] {
				v.Set(i, k, float64(x))
			}
		}
		tau, work := make([]float64, h.rows), make([]float64, panel*panel)
		lapack64.Gelqf(v.RawMatrix(), tau, work, len(work))
		for i := range h.rows {
			for k := range i + 1 {
				w[(j+i)*m+j+k] = float32(v.At(i, k))
				v.Set(i, k, 0)
			}
			v.Set(i, i, 1)
		}
		t := mat.NewDense(h.rows, h.rows, nil)
		lapackgo.Implementation{}.Dlarft(lapack.Forward, lapack.RowWise, h.long, h.rows, v.RawMatrix().Data, h.long, tau, t.RawMatrix().Data, h.rows)
		h.v, h.t = narrow(v), narrow(t)
		if below := n - j - h.rows; below > 0 {
			h.apply(kernels.NN, below, w[(j+h.rows)*m+j:], m)
		}
		all = append(all, h)
	}
	return all
}

// orthonormalRows returns q, n×m.
func orthonormalRows(n, m int, all []reflection) []float32 {
	q := make([]float32, n*m)
	for i := range n {
		q[i*m+i] = 1
	}
	for _, h := range slices.Backward(all) {
		h.apply(kernels.TN, n-h.at, q[h.at*m+h.at:], m)
	}
	return q
}

// solve returns (l·lᵀ)⁻¹·x.
func (f factor) solve(x *mat.Dense) *mat.Dense { return f.turned(f.times(x)) }

// times returns l⁻¹·x and turned l⁻ᵀ·x.
func (f factor) times(x *mat.Dense) *mat.Dense  { return f.divide(blas.NoTrans, x) }
func (f factor) turned(x *mat.Dense) *mat.Dense { return f.divide(blas.Trans, x) }

func (f factor) divide(t blas.Transpose, x *mat.Dense) *mat.Dense {
	y := mat.DenseCopyOf(x)
	blas64.Trsm(blas.Left, t, 1, f.l, y.RawMatrix())
	return y
}
