package initial

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
)

// Gradient starts from the singular vectors of the loss's gradient G = U·S·Vᵀ
// for the full weight, and takes their product out of the base: LoRA-GA
// (arXiv 2407.05000, theorem 3.1), by default in the direction ArB2r and at the
// scale "stable" of the authors' code,
//
//	A = c·V_{1..r}ᵀ    B = c·U_{r+1..2r}    c = out^¼ / √γ    Base = W0 − s·B·A
//
// The first step of gradient descent then moves W along the best approximation
// of G of rank 2r; so it does in every [Direction]. The decomposition is exact,
// in float64; with Iterations above zero it is randomized.
//
// PEFT differs: it multiplies B by S of its triplets, and has the scale on B
// alone, so that the start depends on the scale of the loss and the first step
// is not along G. The option PEFT takes its formulas. LoRAFactory leaves W0 in
// the base unless told otherwise, which destroys the model; that is not here.
type Gradient struct {
	Gamma      float64 // γ
	Iterations int
	Direction  Direction
	Scale      Scale
	PEFT       bool
	// Least and Most, where Most is above zero, bound ranks that follow from the
	// gradients: half the effective rank of each, rounded down, since 2r triplets
	// start r components, and no more than half of what the weight can have. So
	// LoRA-GA-Pro, as LoRAFactory has it (without a paper).
	Least, Most int
}

// A Direction says which of the first 2r singular triplets of the gradient A
// has, and which B.
type Direction int

const (
	ArB2r       Direction = iota // A the first r, B the others
	A2rBr                        // B the first r, A the others
	Alternating                  // ArBr: B the first, third, …, A the others
	Random                       // A r of them, drawn at random, B the others; with PEFT the same
)

// A Scale says how long the factors are.
type Scale int

const (
	// Stable is out^¼/√γ, by which the adapter's output and its gradients do
	// not depend on the width; with PEFT of B alone.
	Stable Scale = iota
	// OverScaling is 1/s, which undoes the scaling of the first step: PEFT's
	// "gd_scale", "gd" of the authors.
	OverScaling
	// Weights is the mean of √(σ/s) over the r largest singular values of W0,
	// as [SVD]'s factors have it: "weightS" of the authors. PEFT's "weight_svd"
	// instead makes the first column of B as long as the largest of them.
	Weights
	// Unit is 1.
	Unit
)

func (Gradient) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static, adapter.FullGradient}
}

// Provides nothing: a core alone, the identity to begin with, would not be trained
// well between factors of the size of Stable.
func (Gradient) Provides() []adapter.Capability { return nil }

// FromPEFT returns the start of a lora_ga_config.
func (Gradient) FromPEFT(start any, config map[string]any) (adapter.Initializer, bool) {
	g := Gradient{Gamma: 16, PEFT: true}
	c, _ := config["lora_ga_config"].(map[string]any)
	direction, ok := c["direction"].(string)
	if ok {
		g.Direction, ok = map[string]Direction{"ArB2r": ArB2r, "A2rBr": A2rBr, "ArBr": Alternating, "random": Random}[direction]
	}
	length, known := c["scale"].(string)
	if known {
		g.Scale, known = map[string]Scale{"stable": Stable, "gd_scale": OverScaling, "weight_svd": Weights, "unit": Unit}[length]
	}
	if gamma, ok := c["stable_gamma"].(float64); ok {
		g.Gamma = gamma
	}
	return g, start == "lora_ga" && (ok || c["direction"] == nil) && (known || c["scale"] == nil)
}

// Check refuses numbers that give no start.
func (g Gradient) Check() error {
	switch {
	case g.Direction < ArB2r || g.Direction > Random:
		return fmt.Errorf("initial: direction is %d: must be 0 (ArB2r), 1 (A2rBr), 2 (ArBr) or 3 (random)", g.Direction)
	case g.Scale < Stable || g.Scale > Unit:
		return fmt.Errorf("initial: scale is %d: must be 0 (stable), 1 (over the scaling), 2 (weights) or 3 (unit)", g.Scale)
	}
	if g.Most != 0 && (g.Least < 1 || g.Most < g.Least) {
		return fmt.Errorf("initial: ranks from %d to %d: must be from at least 1", g.Least, g.Most)
	}
	if err := checkGamma(g.Gamma); err != nil {
		return err
	}
	return checkIterations(g.Iterations)
}

// Allocates reports whether the ranks follow from the gradients.
func (g Gradient) Allocates() bool { return g.Most > 0 }

// KeepsScaling: s is that of the rank which a map gets.
func (Gradient) KeepsScaling() bool { return false }

func (g Gradient) Ranks(maps []*adapter.Map, in adapter.Inputs) ([]int, error) {
	if !g.Allocates() {
		return nil, nil
	}
	var ranks []int
	for _, m := range maps {
		w, err := gradient(m, in)
		if err != nil {
			return nil, err
		}
		erank, err := effectiveRank(w, m.Out, m.In)
		if err != nil {
			return nil, fmt.Errorf("initial: %s: the gradient: %w", m.Name, err)
		}
		const rounding = 1e-9 // of the entropy: 8 equal values have 4, not 3
		ranks = append(ranks, min(max(int(erank/2+rounding), g.Least), g.Most, max(min(m.Out, m.In)/2, 1)))
	}
	return ranks, nil
}

// Fits refuses a rank that the weight cannot have.
func (Gradient) Fits(m *adapter.Map) error { return within(m, 2*m.Rank, "twice the rank") }

func (g Gradient) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := g.Fits(m); err != nil {
			return err
		}
		t, err := gradientOf(m, in, 2*m.Rank, g.Iterations)
		if err != nil {
			return err
		}
		ofA, ofB := g.Direction.triplets(m.Rank, g.PEFT, stream(in, m, "direction"))
		a, b, err := g.lengths(m, in, t, ofB)
		if err != nil {
			return err
		}
		t.pick(m, ofA, a, ofB, b)
		m.Offset()
	}
	return nil
}

// gradientOf returns the k largest triplets of the gradient for m's weight.
func gradientOf(m *adapter.Map, in adapter.Inputs, k, iterations int) (triplet, error) {
	grad, err := gradient(m, in)
	if err != nil {
		return triplet{}, err
	}
	t, err := triplets(grad, m.Out, m.In, k, iterations, stream(in, m, "SVD"))
	if err != nil {
		return t, fmt.Errorf("initial: %s: the gradient: %w", m.Name, err)
	}
	return t, nil
}

// gradient returns the gradient for m's weight, or refuses one of another shape.
func gradient(m *adapter.Map, in adapter.Inputs) ([]float32, error) {
	g := in.Gradient(m)
	if len(g) != m.Out*m.In {
		return nil, fmt.Errorf("initial: %s: the gradient has %d values, the weight is %d×%d", m.Name, len(g), m.Out, m.In)
	}
	return g, nil
}

// triplets returns the indices of A's triplets and of B's.
func (d Direction) triplets(r int, same bool, rng *rand.Rand) (a, b []int) {
	order := make([]int, 2*r)
	for k := range order {
		order[k] = k
	}
	switch d {
	case A2rBr:
		return order[r:], order[:r]
	case Alternating:
		for k := range r {
			a, b = append(a, 2*k+1), append(b, 2*k)
		}
		return a, b
	case Random:
		rng.Shuffle(2*r, func(i, j int) { order[i], order[j] = order[j], order[i] })
		if same {
			return order[:r], order[:r]
		}
	}
	return order[:r], order[r:]
}

// lengths returns the scales of A and of B, whose triplets are ofB.
func (g Gradient) lengths(m *adapter.Map, in adapter.Inputs, t triplet, ofB []int) (a, b scale, err error) {
	ca, cb := 1.0, 1.0
	switch g.Scale {
	case Stable:
		ca = math.Sqrt(math.Sqrt(float64(m.Out)) / g.Gamma)
		cb = ca
		if g.PEFT {
			ca = 1
		}
	case OverScaling:
		ca = 1 / float64(m.Scaling)
		cb = ca
	case Weights:
		w, err := triplets(m.W0(), m.Out, m.In, m.Rank, g.Iterations, stream(in, m, "weight"))
		if err != nil {
			return nil, nil, fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		if first := t.S[ofB[0]]; !g.PEFT {
			sum := 0.0
			for _, s := range w.S[:m.Rank] {
				sum += math.Sqrt(s / float64(m.Scaling))
			}
			ca = sum / float64(m.Rank)
			cb = ca
		} else if first > 0 {
			cb = w.S[0] / first
		}
	}
	a = func(int) float64 { return ca }
	if g.PEFT {
		return a, func(k int) float64 { return cb * t.S[k] }, nil
	}
	return a, func(int) float64 { return cb }, nil
}
