package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
)

// Kaiming draws A uniformly within ±1/√in and leaves B at zero: PEFT's
// default, Kaiming's rule with a = √5. The function is the base's.
type Kaiming struct{}

func (Kaiming) Needs() []adapter.Capability { return []adapter.Capability{adapter.Pair} }

func (Kaiming) Provides() []adapter.Capability { return nil }

func (Kaiming) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		rng, bound := stream(in, m, "A"), 1/math.Sqrt(float64(m.In))
		a := m.Factor("A").Floats()
		for i := range a {
			a[i] = float32(bound * (2*rng.Float64() - 1))
		}
	}
	return nil
}

// Gaussian draws A from N(0, Std²), or from N(0, 1/r²) when Std is zero, as
// PEFT does. B is drawn likewise when Both is set, as for AdaLoRA (arXiv
// 2303.10512), whose E starts at zero; otherwise it is zero.
type Gaussian struct {
	Std  float64
	Both bool
}

func (Gaussian) Needs() []adapter.Capability { return []adapter.Capability{adapter.Pair} }

func (Gaussian) Provides() []adapter.Capability { return nil }

func (Gaussian) FromPEFT(v any) (adapter.Initializer, bool) { return Gaussian{}, v == "gaussian" }

// Check refuses a deviation that cannot be.
func (g Gaussian) Check() error {
	if !(g.Std >= 0 && g.Std <= 1e6) {
		return fmt.Errorf("initial: std is %v: must be in 0..1e6", g.Std)
	}
	return nil
}

func (g Gaussian) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		std := g.Std
		if std == 0 {
			std = 1 / float64(m.Rank)
		}
		for _, name := range []string{"A", "B"} {
			if name == "B" && !g.Both {
				continue
			}
			rng := stream(in, m, name)
			x := m.Factor(name).Floats()
			for i := range x {
				x[i] = float32(std * rng.NormFloat64())
			}
		}
	}
	return nil
}
