package initial

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/lora/adapter"
)

// Principal starts with the principal components of what enters the map in A,
// and B at zero: EVA (arXiv 2410.07170, section 3). With the covariance C of the inputs over the calibration
// batches, C = V·Λ·Vᵀ,
//
//	A = V_rᵀ    B = 0
//
// Among all A with A·Aᵀ = I this one keeps the most of the inputs' variance,
// and the largest expected gradient of B where the outputs' gradient knows
// nothing of the inputs. The function is the base's.
//
// The paper and PEFT update a truncated decomposition batch by batch, until it
// stands still. So does calibration where the inputs are many, over all of its
// batches and with more components than are taken; of few inputs the covariance is
// exact.
//
// With Rho above 1 the maps share their ranks anew: each may have up to ρ times
// the configured rank, and the components that explain the largest part of their
// map's variance are taken, over all maps together, as many as the configured
// ranks add up to (section 3.2). A map without any gets no adapter. s is that of
// the configured rank, as in PEFT; with Factory it is α over the rank that the
// map gets, as in LoRAFactory, so that a map of twice the rank has half of it.
//
// Whiten divides row k by the root of the singular value σ_k = √(N·λ_k) of the
// N centred inputs, as PEFT's option does; Scale multiplies it by σ_k/σ_1, as
// LoRAFactory's scale_by_singular_values.
type Principal struct {
	Rho     float64
	Factory bool
	Whiten  bool
	Scale   bool
}

func (Principal) Needs() []adapter.Capability {
	return append(zeroB(), adapter.Activations)
}

func (Principal) Provides() []adapter.Capability { return nil }

// FromPEFT returns the start of an eva_config.
func (Principal) FromPEFT(start any, config map[string]any) (adapter.Initializer, bool) {
	c, _ := config["eva_config"].(map[string]any)
	p := Principal{Rho: 2} // PEFT's default
	if rho, ok := c["rho"].(float64); ok {
		p.Rho = rho
	}
	if p.Rho == 1 {
		p.Rho = 0 // equal ranks have one form
	}
	p.Whiten, _ = c["whiten"].(bool)
	adjust, ok := c["adjust_scaling_factors"].(bool)
	p.Factory = ok && !adjust
	return p, start == "eva" && p.Check() == nil
}

// Check refuses options that exclude each other.
func (p Principal) Check() error {
	if p.Whiten && p.Scale {
		return fmt.Errorf("initial: whiten and scale are both set: the one undoes the other")
	}
	if p.Rho != 0 && !(p.Rho >= 1 && p.Rho <= 1e6) {
		return fmt.Errorf("initial: rho is %v: must be in 1..1e6, or 0 for equal ranks", p.Rho)
	}
	return nil
}

// Components is how many a map of a configured rank may take.
func (p Principal) Components(rank int) int {
	return int(math.Round(max(p.Rho, 1) * float64(rank)))
}

// Allocates reports whether ranks are shared anew.
func (p Principal) Allocates() bool { return p.Rho > 1 }

// KeepsScaling reports whether s is that of the configured rank.
func (p Principal) KeepsScaling() bool { return !p.Factory }

func (p Principal) Ranks(maps []*adapter.Map, in adapter.Inputs) ([]int, error) {
	if !p.Allocates() {
		return nil, nil
	}
	type component struct {
		of    int // which map
		ratio float64
	}
	var all []component
	budget, known := 0, known{}
	for i, m := range maps {
		budget += m.Rank
		most := min(p.Components(m.Rank), m.In, m.Out)
		c, err := known.components(m, in, most)
		if err != nil {
			return nil, err
		}
		for _, l := range c.s[:most] {
			all = append(all, component{i, l / c.total})
		}
	}
	slices.SortStableFunc(all, func(x, y component) int { return cmp.Compare(y.ratio, x.ratio) })
	ranks := make([]int, len(maps))
	for _, c := range all[:min(budget, len(all))] {
		ranks[c.of]++
	}
	return ranks, nil
}

// Fits refuses a rank above the number of inputs.
func (Principal) Fits(m *adapter.Map) error {
	if m.Rank > m.In {
		return fmt.Errorf("initial: %s: rank is %d: must be at most its %d inputs", m.Name, m.Rank, m.In)
	}
	return nil
}

func (p Principal) Init(maps []*adapter.Map, in adapter.Inputs) error {
	known := known{}
	for _, m := range maps {
		if err := p.Fits(m); err != nil {
			return err
		}
		c, err := known.components(m, in, m.Rank)
		if err != nil {
			return err
		}
		a, rows := m.Factor("A").Floats(), float64(in.Moments(m).Rows)
		for k := range m.Rank {
			sigma := math.Sqrt(c.s[k] * rows)
			scale := 1.0
			switch {
			case p.Whiten && sigma > 0:
				scale = 1 / math.Sqrt(sigma)
			case p.Scale:
				scale = math.Sqrt(c.s[k] / c.s[0])
			}
			c.write(a[k*m.In:(k+1)*m.In], k, scale)
		}
	}
	return nil
}
