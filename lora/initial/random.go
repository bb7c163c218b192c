package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
)

// Kaiming draws A uniformly within ±1/√in and leaves B at zero: PEFT's
// default, Kaiming's rule with a = √5. The function is the base's.
type Kaiming struct{}

func (Kaiming) Needs() []adapter.Capability { return zeroB() }

// zeroB is what a start needs that leaves B at zero.
func zeroB() []adapter.Capability { return []adapter.Capability{adapter.Pair, adapter.TrainedB} }

func (Kaiming) Provides() []adapter.Capability { return nil }

func (Kaiming) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		uniform(m, in, "A", 1/math.Sqrt(float64(m.In)))
	}
	return nil
}

// Gaussian draws A from N(0, Std²) or, where Std is zero, with the deviation of
// a Law. B is drawn likewise when Both is set, as for AdaLoRA (arXiv
// 2303.10512), whose E starts at zero; otherwise it is zero.
type Gaussian struct {
	Std  float64
	Law  Law
	Both bool
}

// A Law gives the deviation of Gaussian factors.
type Law int

const (
	// OverRank is 1/r, whatever the width is: PEFT's "gaussian".
	OverRank Law = iota
	// FanIn is 1/√in, which keeps the size of x: the default of LoRAFactory,
	// and "unit" of the authors of LoRA-GA. It is √3 times Kaiming's.
	FanIn
	// OverRootRank is 1/√r, so that the columns of A have the length 1 in the mean
	// and Aᵀ·A is the identity in expectation, whatever the rank is.
	OverRootRank
	// Xavier is √(2/(in+r)), for A as for B √(2/(r+out)): Glorot's, which keeps
	// the size forward and backward.
	Xavier
)

// deviation returns the law's for a matrix that maps in values to out.
func (l Law) deviation(rank, in, out int) float64 {
	switch l {
	case FanIn:
		return 1 / math.Sqrt(float64(in))
	case OverRootRank:
		return 1 / math.Sqrt(float64(rank))
	case Xavier:
		return math.Sqrt(2 / float64(in+out))
	}
	return 1 / float64(rank)
}

func (g Gaussian) Needs() []adapter.Capability {
	if g.Both {
		return []adapter.Capability{adapter.Pair}
	}
	return zeroB()
}

func (g Gaussian) Provides() []adapter.Capability {
	if g.Both {
		return []adapter.Capability{adapter.Filled}
	}
	return nil
}

func (Gaussian) FromPEFT(v any, _ map[string]any) (adapter.Initializer, bool) {
	return Gaussian{}, v == "gaussian"
}

// Check refuses a deviation that cannot be.
func (g Gaussian) Check() error {
	if !(g.Std >= 0 && g.Std <= 1e6) {
		return fmt.Errorf("initial: std is %v: must be in 0..1e6", g.Std)
	}
	if g.Law < OverRank || g.Law > Xavier {
		return fmt.Errorf("initial: law is %d: must be 0 (1/rank), 1 (1/√in), 2 (1/√rank) or 3 (Xavier's)", g.Law)
	}
	return nil
}

func (g Gaussian) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		for _, f := range []struct {
			name    string
			in, out int
		}{{"A", m.In, m.Rank}, {"B", m.Rank, m.Out}} {
			if f.name == "B" && !g.Both {
				continue
			}
			std := g.Std
			if std == 0 {
				std = g.Law.deviation(m.Rank, f.in, f.out)
			}
			rng := stream(in, m, f.name)
			x := m.Factor(f.name).Floats()
			for i := range x {
				x[i] = float32(std * rng.NormFloat64())
			}
		}
	}
	return nil
}
