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
// exact, in float64, of weights up to 192 rows or columns; of larger ones it is by
// subspace iteration, until each singular value is known to 1e-4. With Iterations
// above zero it has so many rounds of it (arXiv 0909.4061).
//
// Smallest takes the r smallest triplets: MiLoRA (arXiv 2406.09044, eq. 4–6),
// which trains the minor components and leaves the principal ones in the base. Of
// large weights inverse iteration finds them, each singular value to 1e-6 and the space
// of the vectors to 1e-6 over the gap behind it ([geometry.Trailing]).
//
// Split puts the singular values elsewhere. With OnA they are A's, B = U_r, and
// with Keep the base stays W0 and the core between A and B starts about zero:
// LoRA-XS (arXiv 2405.17604, section 3; the side is that of the authors' code).
// In the Middle they are the core's, between orthonormal A and B: SORSA (arXiv
// 2409.00055, eq. 3), W' = Base + s·U_r·diag(E)·V_rᵀ with E = S_r/s.
//
// Components of singular value zero, of a weight whose rank is not full, have
// the start of plain LoRA, in the direction of A that they have.
type SVD struct {
	Iterations int
	Smallest   bool
	Split      Split
	Keep       bool
}

// A Split says which factor has the singular values.
type Split int

const (
	Roots  Split = iota // A and B have their roots
	OnA                 // A has them
	Middle              // the core between A and B
)

func (v SVD) Needs() []adapter.Capability {
	needs := []adapter.Capability{adapter.Pair}
	if v.Split == Middle {
		needs = append(needs, adapter.DiagonalCore)
	}
	if v.Keep {
		return append(needs, adapter.ZeroCore)
	}
	return append(needs, adapter.Additive, adapter.Static)
}

func (SVD) Provides() []adapter.Capability { return []adapter.Capability{adapter.Filled} }

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
	if v.Split < Roots || v.Split > Middle {
		return fmt.Errorf("initial: split is %d: must be 0 (the roots), 1 (on A) or 2 (in the middle)", v.Split)
	}
	if v.Split == Middle && v.Keep {
		return fmt.Errorf("initial: keep is set with split 2: singular values in the middle are the base's, taken out of it")
	}
	return checkIterations(v.Iterations)
}

func checkIterations(n int) error {
	if n < 0 || n > 1000 {
		return fmt.Errorf("initial: iterations is %d: must be in 0..1000", n)
	}
	return nil
}

// Fits refuses a rank that the weight cannot have.
func (SVD) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (v SVD) Init(maps []*adapter.Map, in adapter.Inputs) error {
	var spare []float32
	for _, m := range maps {
		if err := v.Fits(m); err != nil {
			return err
		}
		w := m.W0In(&spare)
		var t triplet
		var err error
		first := 0
		if v.Smallest {
			t, err = smallest(w, m.Out, m.In, m.Rank)
			first = len(t.S) - m.Rank
		} else {
			t, err = triplets(w, m.Out, m.In, m.Rank, v.Iterations, stream(in, m, "SVD"))
		}
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		if err := v.fill(m, t, first); err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
	}
	return nil
}

// fill writes the triplets from the index first on into the factors, and takes
// their product out of the base.
func (v SVD) fill(m *adapter.Map, t triplet, first int) error {
	one := func(int) float64 { return 1 }
	switch v.Split {
	case Middle:
		t.fill(m, first, one, one)
		return offsetCore(m, over(t.S[first:first+m.Rank], float64(m.Scaling)))
	case OnA:
		t.fill(m, first, func(k int) float64 { return t.S[k] / float64(m.Scaling) }, one)
	default:
		t.balance(m, first, float64(m.Scaling))
	}
	if !v.Keep {
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
