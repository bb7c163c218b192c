// Package gram holds the small side of low-rank arithmetic: r×r Gram matrices
// of factors and the symmetric eigenvalue problem, in float64. Factors are
// given as r rows of their long side, A as it stands and B transposed. r×r
// matrices are row-major slices; nothing here allocates after the first call.
package gram

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/lowrank/lowrank/kernels"
)

// Rows is a matrix of N rows of Dim values.
type Rows struct {
	N, Dim int
	Data   []float32
}

// Row returns row i.
func (x Rows) Row(i int) []float32 { return x.Data[i*x.Dim : (i+1)*x.Dim] }

// Transpose writes src, rows×cols, into dst, cols×rows: four columns at a time, so
// that each line of src is read for several at once.
func Transpose(dst, src []float32, rows, cols int) {
	j := 0
	for ; j+4 <= cols; j += 4 {
		p, q := dst[j*rows:][:rows], dst[(j+1)*rows:][:rows]
		s, t := dst[(j+2)*rows:][:rows], dst[(j+3)*rows:][:rows]
		for i := range p {
			four := src[i*cols+j:][:4]
			p[i], q[i], s[i], t[i] = four[0], four[1], four[2], four[3]
		}
	}
	for ; j < cols; j++ {
		column := dst[j*rows:][:rows]
		for i := range column {
			column[i] = src[i*cols+j]
		}
	}
}

// Cross writes x·yᵀ into dst, x.N×y.N.
func Cross(dst []float64, x, y Rows) {
	for i := range x.N {
		for j := range y.N {
			dst[i*y.N+j] = kernels.Dot(x.Row(i), y.Row(j))
		}
	}
}

// Gram writes x·xᵀ into dst, x.N×x.N.
func Gram(dst []float64, x Rows) {
	n := x.N
	for i := range n {
		for j := range i + 1 {
			d := kernels.Dot(x.Row(i), x.Row(j))
			dst[i*n+j], dst[j*n+i] = d, d
		}
	}
}

// Mul writes op(a)·op(b) into dst; all three are n×n, ta and tb say which is
// transposed, and dst is neither a nor b.
func Mul(n int, dst, a []float64, ta bool, b []float64, tb bool) {
	if n == 0 {
		return
	}
	blas64.Gemm(transposed(ta), transposed(tb), 1, general(n, a), general(n, b), 0, general(n, dst))
}

func transposed(t bool) blas.Transpose {
	if t {
		return blas.Trans
	}
	return blas.NoTrans
}

func general(n int, a []float64) blas64.General {
	return blas64.General{Rows: n, Cols: n, Stride: n, Data: a[:n*n]}
}

// Combine writes p·x + q·y into dst, which may be x or y: p and q are n×n, x
// and y have n rows, and sums run in float64. A nil q leaves y out.
// dst, x and y must not overlap otherwise.
func Combine(dst []float32, p []float64, x Rows, q []float64, y Rows, columns []float64) {
	n, dim := x.N, x.Dim
	// Columns are independent of each other, so dst may be x: a block of
	// columns is read whole before it is written.
	const block = 64
	columns = columns[:n*block]
	for at := 0; at < dim; at += block {
		w := min(block, dim-at)
		for i := range n {
			sum := columns[i*block : i*block+w]
			clear(sum)
			for k := range n {
				axpy(p[i*n+k], x.Data[k*dim+at:][:w], sum)
				if q != nil {
					axpy(q[i*n+k], y.Data[k*dim+at:][:w], sum)
				}
			}
		}
		for i := range n {
			for j, v := range columns[i*block : i*block+w] {
				dst[i*dim+at+j] = float32(v)
			}
		}
	}
}

// CombineScratch is the length of the columns that Combine needs for n rows.
func CombineScratch(n int) int { return 64 * n }

func axpy(alpha float64, x []float32, y []float64) {
	if alpha == 0 {
		return
	}
	for j, v := range x {
		y[j] += alpha * float64(v)
	}
}

// Cut is the relative size up to which an eigenvalue of a Gram matrix counts
// as zero: singular values of a factor below 1e-5 of the largest. A float32
// gradient is known to about 1e-7 of its size, and dividing by such a value
// would leave fewer than two digits of it.
const Cut = 1e-10

// An Eigen is the decomposition U·diag(L)·Uᵀ of a symmetric n×n matrix, with
// the eigenvalues in ascending order and the eigenvectors in the columns of U.
type Eigen struct {
	U, L []float64
	work []float64
	size [1]float64
}

// Of decomposes s, n×n, positive semi-definite; what rounding has put below
// zero becomes zero. It reports whether s was finite; if it was not, U and L
// are NaN.
func (e *Eigen) Of(n int, s []float64) bool { return e.run(lapack.EVCompute, n, s) }

// Values computes L only; U is scratch.
func (e *Eigen) Values(n int, s []float64) bool { return e.run(lapack.EVNone, n, s) }

func (e *Eigen) run(job lapack.EVJob, n int, s []float64) bool {
	e.U, e.L = Resize(e.U, n*n), Resize(e.L, n)
	if n == 0 {
		return true
	}
	copy(e.U, s[:n*n])
	a := blas64.Symmetric{N: n, Stride: n, Data: e.U, Uplo: blas.Upper}
	ok := finite(e.U)
	// LAPACK rescales what is very small or very large, the whole or a block,
	// and gonum panics as it does so. So the largest entry is made about 1, and
	// entries that no eigenvalue of float64 precision can see are made 0.
	scale := 1.0
	if _, exp := math.Frexp(largest(e.U)); ok {
		scale = math.Ldexp(1, min(max(exp, -1021), 1023)) // a power of two: exact
		for i := range e.U {
			if e.U[i] /= scale; math.Abs(e.U[i]) < negligible {
				e.U[i] = 0
			}
		}
	}
	if ok {
		lapack64.Syev(job, a, e.L, e.size[:], -1)
		e.work = Resize(e.work, int(e.size[0]))
		ok = lapack64.Syev(job, a, e.L, e.work, len(e.work))
	}
	if !ok {
		fill(e.U, math.NaN())
		fill(e.L, math.NaN())
		return false
	}
	for i, l := range e.L {
		e.L[i] = max(l*scale, 0)
	}
	return true
}

// negligible is far below the rounding of a sum with 1, 1e-16.
const negligible = 1e-30

func largest(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, math.Abs(v))
	}
	return m
}

// Truncate sets the eigenvalues up to Cut of the largest to zero.
func (e *Eigen) Truncate() {
	if len(e.L) == 0 {
		return
	}
	least := Cut * e.L[len(e.L)-1]
	for i, l := range e.L {
		if l <= least {
			e.L[i] = 0
		}
	}
}

// Inverse writes the pseudo-inverse into dst, n×n.
func (e *Eigen) Inverse(dst []float64) {
	n := len(e.L)
	clear(dst[:n*n])
	for k, l := range e.L {
		if l == 0 {
			continue
		}
		for i := range n {
			u := e.U[i*n+k] / l
			for j := range n {
				dst[i*n+j] += u * e.U[j*n+k]
			}
		}
	}
}

// InverseRoot writes diag(L)^(-1/2)·Uᵀ into dst, n×n, with rows of zeros where
// L is zero. Where this is the decomposition of x·xᵀ, its product with x has
// orthonormal rows and spans what x does.
func (e *Eigen) InverseRoot(dst []float64) {
	n := len(e.L)
	for k, l := range e.L {
		c := 0.0
		if l != 0 {
			c = 1 / math.Sqrt(l)
		}
		for i := range n {
			dst[k*n+i] = c * e.U[i*n+k]
		}
	}
}

// Apply writes U·diag(f(L))·Uᵀ into dst, n×n.
func (e *Eigen) Apply(dst []float64, f func(l float64) float64) {
	n := len(e.L)
	clear(dst[:n*n])
	for k, l := range e.L {
		c := f(l)
		for i := range n {
			u := c * e.U[i*n+k]
			for j := range n {
				dst[i*n+j] += u * e.U[j*n+k]
			}
		}
	}
}

// Dot returns Σ a_i·b_i.
func Dot(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// Trace returns the trace of s, n×n.
func Trace(n int, s []float64) float64 {
	var sum float64
	for i := range n {
		sum += s[i*n+i]
	}
	return sum
}

// Resize returns a slice of n values, buf itself where it is long enough. The
// values are unspecified.
func Resize[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	return buf[:n]
}

func finite(s []float64) bool {
	for _, v := range s {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

func fill(s []float64, v float64) {
	for i := range s {
		s[i] = v
	}
}
