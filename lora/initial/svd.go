package initial

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
)

// SVD starts from the r largest singular triplets of W0 = U·S·Vᵀ and takes
// their product out of the base: PiSSA (arXiv 2404.02948, eq. 2–4). The two
// factors share the singular values,
//
//	B = U_r·(S_r/s)^½    A = (S_r/s)^½·V_rᵀ    Base = W0 − s·B·A
//
// so that the function is the base's whatever s is. The decomposition is
// exact, in float64; with Iterations above zero it is randomized with so many
// rounds of subspace iteration (arXiv 0909.4061).
//
// Smallest takes the r smallest triplets: MiLoRA (arXiv 2406.09044, eq. 4–6),
// which trains the minor components and leaves the principal ones in the base.
// It is exact: subspace iteration finds the largest alone.
//
// Components of singular value zero, of a weight whose rank is not full, have
// the start of plain LoRA, in the direction of A that they have.
type SVD struct {
	Iterations int
	Smallest   bool
}

func (SVD) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static}
}

func (SVD) Provides() []adapter.Capability { return nil }

func (SVD) FromPEFT(v any, _ map[string]any) (adapter.Initializer, bool) {
	name, _ := v.(string)
	if name == "pissa" {
		return SVD{}, true
	}
	rounds, ok := strings.CutPrefix(name, "pissa_niter_")
	n, err := strconv.Atoi(rounds)
	return SVD{Iterations: n}, ok && err == nil && n >= 0
}

// Check refuses a number of rounds that cannot be.
func (v SVD) Check() error {
	if v.Smallest && v.Iterations > 0 {
		return fmt.Errorf("initial: iterations is %d: must be 0 for the smallest singular values", v.Iterations)
	}
	return checkIterations(v.Iterations)
}

func checkIterations(n int) error {
	if n < 0 || n > 1000 {
		return fmt.Errorf("initial: iterations is %d: must be in 0..1000", n)
	}
	return nil
}

func (v SVD) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := within(m, m.Rank, "rank"); err != nil {
			return err
		}
		first, last := 0, m.Rank
		if v.Smallest {
			first, last = min(m.In, m.Out)-m.Rank, min(m.In, m.Out)
		}
		t, err := triplets(m.W0(), m.Out, m.In, last, v.Iterations, stream(in, m, "SVD"))
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		t.balance(m, first, float64(m.Scaling))
		m.Offset()
	}
	return nil
}

// within refuses a rank that the matrix of m cannot have.
func within(m *adapter.Map, rank int, what string) error {
	if p := min(m.In, m.Out); rank > p {
		return fmt.Errorf("initial: %s: %s is %d, the weight %d×%d: must be at most %d", m.Name, what, rank, m.Out, m.In, p)
	}
	return nil
}
