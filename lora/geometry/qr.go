package geometry

import (
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// QR returns the thin factors of w = q·r, m×n: q m×p with orthonormal columns
// and r p×n, p = min(m, n), upper triangular with a non-negative diagonal.
func QR(w *mat.Dense) (q, r *mat.Dense) {
	m, n := w.Dims()
	t, tau, work := factorRows(w)
	p := len(tau)
	r = triangle(t, n)
	lapack64.Orglq(t.RawMatrix(), tau, work, len(work))
	if n > p {
		r.Slice(0, p, p, n).(*mat.Dense).Mul(t, w.Slice(0, m, p, n))
	}
	for k := range p {
		if r.At(k, k) < 0 {
			blas64.Scal(-1, t.RowView(k).(*mat.VecDense).RawVector())
			blas64.Scal(-1, r.RowView(k).(*mat.VecDense).RawVector())
		}
	}
	return mat.DenseCopyOf(t.T()), r
}

// factorRows factors the transpose of the first p columns of w, which determine q,
// as LAPACK does: wᵀ = l·qᵀ. As rows they are done in little more than half the time.
func factorRows(w *mat.Dense) (t *mat.Dense, tau, work []float64) {
	m, n := w.Dims()
	p := min(m, n)
	t = mat.DenseCopyOf(w.Slice(0, m, 0, p).T())
	tau, work = make([]float64, p), make([]float64, 1)
	lapack64.Gelqf(t.RawMatrix(), tau, work, -1)
	work = make([]float64, int(work[0]))
	lapack64.Gelqf(t.RawMatrix(), tau, work, len(work))
	return t, tau, work
}

// triangle returns the transpose of l in the first columns of n.
func triangle(t *mat.Dense, n int) *mat.Dense {
	p, _ := t.Dims()
	r := mat.NewDense(p, n, nil)
	for i := range p {
		for j := range i + 1 {
			r.Set(j, i, t.At(i, j))
		}
	}
	return r
}

func scaleColumn(m *mat.Dense, j int, by float64) {
	rows, _ := m.Dims()
	for i := range rows {
		m.Set(i, j, by*m.At(i, j))
	}
}
