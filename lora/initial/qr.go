package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// QR starts from the first r columns of Q and rows of R in W0 = Q·R and takes
// their product out of the base: OLoRA (arXiv 2406.01775),
//
//	B = Q[:, :r]    A = R[:r, :]    Base = W0 − s·B·A
//
// As in the paper and in PEFT the factors do not make up for s: where it is
// not one, the base lacks s times the part that they span. The diagonal of R
// is made non-negative, which makes the factors unique.
type QR struct{}

func (QR) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static}
}

func (QR) Provides() []adapter.Capability { return nil }

func (q QR) FromPEFT(v any, _ map[string]any) (adapter.Initializer, bool) { return q, v == "olora" }

func (QR) Init(maps []*adapter.Map, _ adapter.Inputs) error {
	for _, m := range maps {
		if err := within(m, m.Rank, "rank"); err != nil {
			return err
		}
		w, err := dense(m.W0(), m.Out, m.In)
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		q, r := orthonormal(w)
		a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
		for k := range m.Rank {
			for j := range m.In {
				a[k*m.In+j] = float32(r.At(k, j))
			}
			for i := range m.Out {
				b[i*m.Rank+k] = float32(q.At(i, k))
			}
		}
		m.Offset()
	}
	return nil
}

// orthonormal returns the thin factors of w, m×n: q m×p and r p×n with
// p = min(m, n) and a non-negative diagonal of r.
func orthonormal(w *mat.Dense) (q, r *mat.Dense) {
	m, n := w.Dims()
	p := min(m, n)
	// LAPACK's pair of routines makes the thin q in place, from the first p
	// columns, which determine it.
	q = mat.DenseCopyOf(w.Slice(0, m, 0, p))
	tau := make([]float64, p)
	work := make([]float64, 1)
	lapack64.Geqrf(q.RawMatrix(), tau, work, -1)
	work = make([]float64, int(work[0]))
	lapack64.Geqrf(q.RawMatrix(), tau, work, len(work))
	lapack64.Orgqr(q.RawMatrix(), tau, work, len(work))

	r = new(mat.Dense)
	r.Mul(q.T(), w)
	for k := range p {
		clear(r.RawRowView(k)[:k])
		if r.At(k, k) < 0 {
			negate(q, k)
			row := r.RawRowView(k)
			for j := range row {
				row[j] = -row[j]
			}
		}
	}
	return q, r
}
