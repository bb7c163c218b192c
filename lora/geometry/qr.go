package geometry

import (
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// QR returns the thin factors of w = q·r, m×n: q m×p with orthonormal columns
// and r p×n, p = min(m, n), upper triangular with a non-negative diagonal.
func QR(w *mat.Dense) (q, r *mat.Dense) {
	m, n := w.Dims()
	p := min(m, n)
	// LAPACK's pair of routines makes the thin q in place, from the first p
	// columns, which determine it; gonum's QR would make it m×m.
	q = mat.DenseCopyOf(w.Slice(0, m, 0, p))
	tau, work := make([]float64, p), make([]float64, 1)
	lapack64.Geqrf(q.RawMatrix(), tau, work, -1)
	work = make([]float64, int(work[0]))
	lapack64.Geqrf(q.RawMatrix(), tau, work, len(work))
	lapack64.Orgqr(q.RawMatrix(), tau, work, len(work))

	r = new(mat.Dense)
	r.Mul(q.T(), w)
	for k := range p {
		clear(r.RawRowView(k)[:k])
		if r.At(k, k) < 0 {
			scaleColumn(q, k, -1)
			row := r.RawRowView(k)
			for j := range row {
				row[j] = -row[j]
			}
		}
	}
	return q, r
}

func scaleColumn(m *mat.Dense, j int, by float64) {
	rows, _ := m.Dims()
	for i := range rows {
		m.Set(i, j, by*m.At(i, j))
	}
}
