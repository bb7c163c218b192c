package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
)

// Gradient starts from the singular vectors of the loss's gradient G = U·S·Vᵀ
// for the full weight, and takes their product out of the base: LoRA-GA
// (arXiv 2407.05000, theorem 3.1), in the direction ArB2r and at the scale
// "stable" of the authors' code,
//
//	A = c·V_{1..r}ᵀ    B = c·U_{r+1..2r}    c = out^¼ / √γ    Base = W0 − s·B·A
//
// The first step of gradient descent then moves W along the best approximation
// of G of rank 2r. The decomposition is exact, in float64; with Iterations
// above zero it is randomized.
//
// PEFT differs: its A is V_{1..r}ᵀ, and its B is c·U_{r+1..2r}·S_{r+1..2r}, so
// that the start depends on the scale of the loss and the first step is not
// along G. The option PEFT takes its formula.
type Gradient struct {
	Gamma      float64 // γ
	Iterations int
	PEFT       bool
}

func (Gradient) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static, adapter.FullGradient}
}

func (Gradient) Provides() []adapter.Capability { return nil }

// Check refuses numbers that give no start.
func (g Gradient) Check() error {
	if !(g.Gamma > 0 && g.Gamma <= 1e12) {
		return fmt.Errorf("initial: gamma is %v: must be above 0, at most 1e12", g.Gamma)
	}
	return checkIterations(g.Iterations)
}

func (g Gradient) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		r := m.Rank
		if err := within(m, 2*r, "twice the rank"); err != nil {
			return err
		}
		grad := in.Gradient(m)
		if len(grad) != m.Out*m.In {
			return fmt.Errorf("initial: %s: the gradient has %d values, the weight is %d×%d", m.Name, len(grad), m.Out, m.In)
		}
		t, err := triplets(grad, m.Out, m.In, 2*r, g.Iterations, stream(in, m, "SVD"))
		if err != nil {
			return fmt.Errorf("initial: %s: the gradient: %w", m.Name, err)
		}
		c := math.Sqrt(math.Sqrt(float64(m.Out)) / g.Gamma)
		all := func(int) float64 { return c }
		if g.PEFT {
			one, weighed := func(int) float64 { return 1 }, func(k int) float64 { return c * t.s[k] }
			t.fill(m, 0, one, r, weighed)
		} else {
			t.fill(m, 0, all, r, all)
		}
		m.Offset()
	}
	return nil
}
