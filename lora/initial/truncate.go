package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
)

// Truncate takes the r smallest singular triplets of W0 out of the base, as
// noise, and leaves them out: KaSA (arXiv 2412.06071, section 3.1),
//
//	Base = U_{p−r}·S_{p−r}·V_{p−r}ᵀ    p = min(in, out)
//
// The factors start as plain LoRA's, A within ±1/√in and B at zero, and what
// stands between them with the diagonal N(0, 1). The function is not the base's.
// Removing the adapters brings W0 back, which PEFT cannot do.
type Truncate struct{}

func (Truncate) Needs() []adapter.Capability {
	return append(zeroB(), adapter.Additive)
}

func (Truncate) Provides() []adapter.Capability { return []adapter.Capability{adapter.Moved} }

// Fits refuses a rank that leaves nothing of the base.
func (Truncate) Fits(m *adapter.Map) error {
	if p := min(m.In, m.Out); m.Rank >= p {
		return fmt.Errorf("initial: %s: rank is %d, the weight %d×%d: must be below %d, or nothing is left of it", m.Name, m.Rank, m.Out, m.In, p)
	}
	return nil
}

func (v Truncate) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := v.Fits(m); err != nil {
			return err
		}
		p := min(m.In, m.Out)
		t, err := triplets(m.W0(), m.Out, m.In, p, 0, nil)
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		root := func(k int) float64 { return math.Sqrt(t.S[k] / float64(m.Scaling)) }
		t.fill(m, p-m.Rank, root, root)
		a, b := m.Factor("A"), m.Factor("B")
		m.OffsetBy(ag.NewVariable(m.Rank, m.In, append([]float32(nil), a.Floats()...)), ag.NewVariable(m.Out, m.Rank, append([]float32(nil), b.Floats()...)))

		uniform(m, in, "A", 1/math.Sqrt(float64(m.In)))
		clear(b.Floats())
		if m.Factor("E") != nil || m.Factor("R") != nil {
			rng, d := stream(in, m, "core"), make([]float64, m.Rank)
			for k := range d {
				d[k] = rng.NormFloat64()
			}
			setCore(m, d)
		}
	}
	return nil
}
