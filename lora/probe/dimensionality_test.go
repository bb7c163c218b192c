package probe

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/moe"
)

// The interval holds the effective rank of the whole spectrum, however the part
// that is not known is made, and shrinks as more is known.
func TestInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	spectra := map[string]func(i int) float64{
		"flat":      func(int) float64 { return 1 },
		"power":     func(i int) float64 { return 1 / float64(i+1) },
		"geometric": func(i int) float64 { return math.Pow(0.9, float64(i)) },
		"cliff": func(i int) float64 {
			if i < 40 {
				return 2
			}
			return 1e-3
		},
		"random": func(int) float64 { return rng.Float64() },
	}
	for name, of := range spectra {
		var sigma []float64
		for i := range 300 {
			sigma = append(sigma, of(i))
		}
		slices.Sort(sigma)
		slices.Reverse(sigma)
		want := geometry.Summarize(sigma).EffectiveRank
		width := math.Inf(1)
		for _, known := range []int{20, 64, 200, 300} {
			energy := 0.0
			for _, s := range sigma[known:] {
				energy += s * s
			}
			low, high := interval(sigma[:known], energy, 300-known)
			if want < low*(1-1e-9) || want > high*(1+1e-9) {
				t.Errorf("%s: of %d known the interval is [%v, %v], which leaves out %v", name, known, low, high, want)
			}
			if high-low > width*(1+1e-9) {
				t.Errorf("%s: with %d known the interval has grown to %v from %v", name, known, high-low, width)
			}
			width = high - low
		}
		if width > 1e-9 {
			t.Errorf("%s: all is known, and the interval is %v wide", name, width)
		}
	}
}

func TestGradientDimensionality(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	train := newRun(m)
	p := New([]*adapter.Map{m})
	train.lend(p)
	v := measured(t, p, 0)
	weight, err := m.Merged()
	if err != nil {
		t.Fatal(err)
	}
	g := product(1, train.outputGradient(dense(32, 24, weight), nil).T(), dense(tokens, 24, train.x.Floats()))
	near(t, v, "gradient_dimensionality_low", effectiveRank(g), 1e-3)
	near(t, v, "gradient_dimensionality_high", effectiveRank(g), 1e-3)
}

// Experts that are copies overlap wholly, those with rows of their own not at all.
func TestExpertOverlap(t *testing.T) {
	m := newMap(t, delta.LoRA{}, moe.LoRAMoE{PerLayer: 3}, 32, 24, 6)
	a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
	clear(a)
	for k := range 6 {
		a[k*24+k] = float32(k + 1)
		for i := range 32 {
			b[i*6+k] = b[i*6+k%2]
		}
	}
	newRun(m)
	v := measured(t, New([]*adapter.Map{m}), 0)
	near(t, v, "expert_overlap_a", 0, 1e-9)
	near(t, v, "expert_overlap_b", 1, 1e-6)
}
