package initial_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// mapsOf returns maps of plain LoRA at one rank, over weights of ones.
func mapsOf(t *testing.T, rank int, shapes ...[2]int) []*adapter.Map {
	t.Helper()
	var all []*adapter.Map
	for i, s := range shapes {
		w := make([]float32, s[0]*s[1])
		for j := range w {
			w[j] = 1
		}
		m, err := adapter.New(nn.NewLinear(fmt.Sprint("lin", i), s[0], s[1], w), 0, 1, delta.LoRA{}, nil, rank, alpha)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// A gradient with so many equal singular values has that effective rank: maps
// get half of it, within the bounds and half of what the weight can have.
func TestRanksOfEffectiveRanks(t *testing.T) {
	for _, c := range []struct{ equal, least, most, want int }{
		{8, 1, 100, 4}, {8, 5, 100, 5}, {8, 1, 3, 3}, {12, 1, 100, 6}, {1, 2, 100, 2}, {0, 2, 100, 2}, {12, 50, 100, 6},
	} {
		for _, size := range []float32{1, 1e-30} {
			g := make([]float32, 240)
			for k := range c.equal {
				g[k*20+k] = size
			}
			init := initial.Gradient{Gamma: 16, Least: c.least, Most: c.most}
			ranks, err := init.Ranks(mapsOf(t, 3, [2]int{12, 20}), adapter.Inputs{Gradient: func(*adapter.Map) []float32 { return g }})
			if err != nil || !slices.Equal(ranks, []int{c.want}) {
				t.Errorf("%+v: have %v, %v", c, ranks, err)
			}
		}
	}
	short := adapter.Inputs{Gradient: func(*adapter.Map) []float32 { return []float32{1} }}
	if _, err := (initial.Gradient{Gamma: 16, Least: 1, Most: 2}).Ranks(mapsOf(t, 3, [2]int{12, 20}), short); err == nil || !strings.Contains(err.Error(), "lin0: the gradient has 1 values") {
		t.Errorf("a gradient of another shape: %v", err)
	}
}

// The importance of a map buys it ranks at in+out parameters each, within the
// bounds; the parameters stay about those of the configured rank.
func TestRanksOfImportance(t *testing.T) {
	maps := mapsOf(t, 8, [2]int{40, 40}, [2]int{40, 40}, [2]int{40, 120})
	gradients := map[string]float32{"lin0": 3, "lin1": 2, "lin2": -3} // mean|W0∘G| with W0 of ones
	in := adapter.Inputs{Gradient: func(m *adapter.Map) []float32 {
		g := make([]float32, m.Out*m.In)
		for i := range g {
			g[i] = gradients[m.Name]
		}
		return g
	}}
	// The budget is 8·(80+80+160) = 2560 parameters, of which they get 3/8, 2/8 and 3/8.
	ranks, err := initial.Projected{Step: 1, Least: 0.5, Most: 4}.Ranks(maps, in)
	if want := []int{12, 8, 6}; err != nil || !slices.Equal(ranks, want) {
		t.Errorf("have ranks %v, %v, want %v", ranks, err, want)
	}
	ranks, err = initial.Projected{Step: 1, Least: 0.9, Most: 1.25}.Ranks(maps, in)
	if want := []int{10, 8, 7}; err != nil || !slices.Equal(ranks, want) {
		t.Errorf("within bounds have ranks %v, %v, want %v", ranks, err, want)
	}
	clear(gradients)
	if _, err := (initial.Projected{Step: 1, Most: 4}).Ranks(maps, in); err == nil || !strings.Contains(err.Error(), "gradients are zero") {
		t.Errorf("zero gradients: %v", err)
	}
}

// The components that explain most are taken over all maps, within ρ times the
// rank each, as many as there were.
func TestRanksOfVariance(t *testing.T) {
	maps := mapsOf(t, 2, [2]int{9, 6}, [2]int{9, 6}, [2]int{9, 6})
	variances := [][]float64{{8, 4, 2, 1, 0.5, 0.5}, {1, 1, 1, 1, 1, 1}, {15, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3}}
	in := adapter.Inputs{Moments: func(m *adapter.Map) *adapter.Moments {
		x := &adapter.Moments{Rows: 10, Mean: make([]float64, 6), Second: make([]float64, 36), Scaled: make([]float64, 36)}
		for j, v := range variances[slices.Index(maps, m)] {
			x.Second[j*6+j] = v
		}
		return x
	}}
	// Ratios: 1/2, 1/4, 1/8, 1/16 …; six times 1/6; almost 1, and almost nothing.
	for _, c := range []struct {
		rho  float64
		want []int
	}{{2, []int{2, 3, 1}}, {1.5, []int{2, 3, 1}}, {1.01, []int{2, 2, 2}}, {1, nil}} {
		init := initial.Principal{Rho: c.rho}
		ranks, err := init.Ranks(maps, in)
		if err != nil || !slices.Equal(ranks, c.want) || init.Allocates() != (c.want != nil) {
			t.Errorf("ρ = %v: have %v, %v, want %v", c.rho, ranks, err, c.want)
		}
	}
}

// B is the least-squares answer to the step that A can make: the normal
// equations hold, the product is the projection, downhill.
func TestProjected(t *testing.T) {
	for _, shape := range shapes {
		for _, ascend := range []bool{false, true} {
			m, g := adapted(t, shape, initial.Projected{Step: 0.05, Ascend: ascend})
			a, b := factors(m)
			c := 0.05 * math.Sqrt(float64(m.In)/rank)
			if !ascend {
				c = -c
			}
			G := dense(m.Out, m.In, g)
			var inverse mat.Dense
			if err := inverse.Inverse(product(a, a.T())); err != nil {
				t.Fatal(err)
			}
			change := scaled(float64(m.Scaling), product(b, a))
			equal(t, "s·B·A", change, scaled(c, product(G, a.T(), &inverse, a)))
			equal(t, "(ΔW − c·G)·Aᵀ", product(minus(change, scaled(c, G)), a.T()), mat.NewDense(m.Out, rank, nil))
			var along mat.Dense
			along.MulElem(change, G)
			if uphill := mat.Sum(&along) > 0; uphill != ascend {
				t.Errorf("⟨ΔW, G⟩ is %v, with Ascend %t", mat.Sum(&along), ascend)
			}
		}
	}
}
