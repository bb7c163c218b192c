package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
)

// NonZero draws both factors uniformly, A within ±A/√in and B within ±B/√in of
// the map: Init[AB] of "Beyond Zero Initialization" (arXiv 2505.23194, section
// 4), in the form of "Learning Rate Matters" (arXiv 2602.04998). Neither
// gradient is zero at the first step, which makes small learning rates less
// harmful. The base stays W0, as the paper finds that the noise of the product
// does no harm; with Offset it is taken out.
//
// LoRAFactory takes the square roots of A and B.
type NonZero struct {
	A, B   float64
	Offset bool
}

func (n NonZero) Needs() []adapter.Capability {
	needs := neededToMove(n.Offset)
	if n.Offset {
		needs = append(needs, adapter.Static) // gates would leave something of the product
	}
	return needs
}

func (n NonZero) Provides() []adapter.Capability { return movedUnless(n.Offset) }

// Check refuses bounds that cannot be.
func (n NonZero) Check() error {
	for _, b := range []struct {
		name  string
		bound float64
	}{{"a", n.A}, {"b", n.B}} {
		if !(b.bound > 0 && b.bound <= 1e6) {
			return fmt.Errorf("initial: %s is %v: must be above 0, at most 1e6", b.name, b.bound)
		}
	}
	return nil
}

func (n NonZero) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		uniform(m, in, "A", n.A/math.Sqrt(float64(m.In)))
		uniform(m, in, "B", n.B/math.Sqrt(float64(m.In)))
		if n.Offset {
			m.Offset()
		}
	}
	return nil
}

// uniform draws a factor within ±bound.
func uniform(m *adapter.Map, in adapter.Inputs, factor string, bound float64) {
	rng, x := stream(in, m, factor), m.Factor(factor).Floats()
	for i := range x {
		x[i] = float32(bound * (2*rng.Float64() - 1))
	}
}
