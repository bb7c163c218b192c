package initial

import (
	"fmt"
	"math"
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
type SVD struct {
	Iterations int
}

func (SVD) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static}
}

func (SVD) Provides() []adapter.Capability { return nil }

func (SVD) FromPEFT(v any) (adapter.Initializer, bool) {
	name, _ := v.(string)
	if name == "pissa" {
		return SVD{}, true
	}
	rounds, ok := strings.CutPrefix(name, "pissa_niter_")
	n, err := strconv.Atoi(rounds)
	return SVD{Iterations: n}, ok && err == nil && n >= 0
}

// Check refuses a number of rounds that cannot be.
func (v SVD) Check() error { return checkIterations(v.Iterations) }

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
		t, err := triplets(m.W0(), m.Out, m.In, m.Rank, v.Iterations, stream(in, m, "SVD"))
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		root := func(k int) float64 { return math.Sqrt(t.s[k] / float64(m.Scaling)) }
		t.fill(m, 0, root, 0, root)
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
