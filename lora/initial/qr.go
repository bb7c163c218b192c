package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
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
		w, err := geometry.Dense(m.W0(), m.Out, m.In)
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		q, r := geometry.QR(w)
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
