package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
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

func (QR) Provides() []adapter.Capability { return []adapter.Capability{adapter.Filled} }

func (q QR) FromPEFT(v any, _ map[string]any) (adapter.Initializer, bool) { return q, v == "olora" }

// Fits refuses a rank that the weight cannot have.
func (QR) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (q QR) Init(maps []*adapter.Map, _ adapter.Inputs) error {
	for _, m := range maps {
		if err := q.Fits(m); err != nil {
			return err
		}
		w, err := geometry.Dense(m.W0(), m.Out, m.In)
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		// The first columns alone determine these of Q, and with them the rows of R.
		q, _ := geometry.QR(mat.DenseCopyOf(w.Slice(0, m.Out, 0, m.Rank)))
		var r mat.Dense
		r.Mul(q.T(), w)
		for k := range m.Rank {
			clear(r.RawRowView(k)[:k])
		}
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
