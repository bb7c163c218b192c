package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
)

// Descent starts with one scaled step of gradient descent, in the best
// approximation of rank r: LoRA-One (arXiv 2502.01235, algorithm 1). With the
// gradient of the full weight as −G = U·S·Vᵀ, the factors share the singular
// values over the largest,
//
//	B = U_r·(S_r/S_1)^½ / √γ    A = (S_r/S_1)^½·V_rᵀ / √γ
//
// so that s·B·A = −s/(γ·S_1)·G_r. The base stays W0: the function is not the
// base's, but one step on. With Offset the product is taken out of it, as
// LoRAFactory does on demand, and the directions alone remain. The
// decomposition is exact, in float64; with Iterations above zero it is
// randomized.
type Descent struct {
	Gamma      float64 // γ
	Iterations int
	Offset     bool
}

func (d Descent) Needs() []adapter.Capability {
	return append(neededToMove(d.Offset), adapter.Static, adapter.FullGradient)
}

func (d Descent) Provides() []adapter.Capability { return movedUnless(d.Offset) }

// Check refuses numbers that give no start.
func (d Descent) Check() error {
	if err := checkGamma(d.Gamma); err != nil {
		return err
	}
	return checkIterations(d.Iterations)
}

// Fits refuses a rank that the weight cannot have.
func (Descent) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (d Descent) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := d.Fits(m); err != nil {
			return err
		}
		t, err := gradientOf(m, in, m.Rank, d.Iterations)
		if err != nil {
			return err
		}
		if t.S[0] == 0 {
			return fmt.Errorf("initial: %s: the gradient is zero: there is no step to start with", m.Name)
		}
		t.balance(m, 0, t.S[0]*d.Gamma)
		b := m.Factor("B").Floats()
		for i := range b {
			b[i] = -b[i] // of −G
		}
		if d.Offset {
			m.Offset()
		}
	}
	return nil
}

func checkGamma(gamma float64) error {
	if !(gamma > 0 && gamma <= 1e12) {
		return fmt.Errorf("initial: gamma is %v: must be above 0, at most 1e12", gamma)
	}
	return nil
}

// neededToMove is what a start needs whose product is a part of the function, or
// is taken out of the base.
func neededToMove(offset bool) []adapter.Capability {
	if offset {
		return []adapter.Capability{adapter.Pair, adapter.Additive}
	}
	return []adapter.Capability{adapter.Pair, adapter.Product}
}

// movedUnless is what a start provides whose product stays in the function
// unless it is taken out of the base.
func movedUnless(offset bool) []adapter.Capability {
	if offset {
		return nil
	}
	return []adapter.Capability{adapter.Moved}
}
