package moe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn"
)

const tokens, in, out = 9, 6, 5

func random(rows, cols int, seed uint64) *ag.Variable {
	rng := rand.New(rand.NewPCG(seed, 4))
	v := ag.NewVariable(rows, cols, nil)
	for i := range v.Floats() {
		v.Floats()[i] = float32(rng.NormFloat64())
	}
	return v
}

// newMap makes a map with random factors and gates; layer is of 4.
func newMap(t *testing.T, r adapter.Router, layer, rank int) *adapter.Map {
	t.Helper()
	l := nn.NewLinear("lin", out, in, random(out, in, 1).Floats())
	m, err := adapter.New(l, layer, 4, delta.LoRA{}, r, rank, float64(rank))
	if err != nil {
		t.Fatal(err)
	}
	m.Maps = 1
	for i, f := range m.Factors {
		copy(f.Floats(), random(f.Rows(), f.Cols(), uint64(10+i)).Floats())
	}
	return m
}

// forward returns the map's output and gates.
func forward(m *adapter.Map, x ag.Tensor) (y, gates []float32, c *nn.Context) {
	c = &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: tokens}
	g := m.Router.Gates(c, m, x)
	c.Losses = nil
	if g != nil {
		gates = ag.Floats(g)
	}
	return ag.Floats(m.Forward(c, x)), gates, c
}

func TestGates(t *testing.T) {
	x := random(tokens, in, 2)
	for _, c := range []struct {
		r      adapter.Router
		layer  int
		active int
	}{
		{LoRAMoE{PerLayer: 3}, 0, 3},
		{MoLA{PerLayer: 5, TopK: 2, Pattern: Triangle}, 0, 2},
		{MoLA{PerLayer: 5, TopK: 2, Pattern: Hourglass}, 1, 2},
		{MoLA{PerLayer: 2, TopK: 3, Pattern: Inverted}, 0, 0}, // one expert
		{MoLA{PerLayer: 2, TopK: 3, Pattern: Rectangle}, 3, 2},
	} {
		m := newMap(t, c.r, c.layer, 4)
		_, gates, _ := forward(m, x)
		experts := c.r.Experts(m)
		if c.active == 0 {
			if experts != 1 || gates != nil || m.Factor("gate") != nil {
				t.Errorf("%+v: %d experts, gates %v, factor %v: must be one and no gate", c.r, experts, gates, m.Factor("gate"))
			}
			continue
		}
		if len(gates) != tokens*experts || m.Rank%experts != 0 {
			t.Fatalf("%+v: %d gates for %d tokens and %d experts of rank %d", c.r, len(gates), tokens, experts, m.Rank)
		}
		for i := range tokens {
			var sum float64
			n := 0
			for _, g := range gates[i*experts : (i+1)*experts] {
				sum += float64(g)
				if g > 0 {
					n++
				}
			}
			if math.Abs(sum-1) > 1e-6 || n != c.active {
				t.Errorf("%+v: token %d has gates of sum %v, %d of them above 0: must be 1 and %d", c.r, i, sum, n, c.active)
			}
		}
	}
}

// Renumbering the experts changes nothing but rounding, and renumbers the gates.
func TestPermutation(t *testing.T) {
	x := random(tokens, in, 2)
	for _, r := range []adapter.Router{LoRAMoE{PerLayer: 3}, MoLA{PerLayer: 3, TopK: 2}} {
		m, p := newMap(t, r, 0, 6), newMap(t, r, 0, 6)
		permutation, re := []int{2, 0, 1}, 2
		for e, from := range permutation {
			copy(p.Factor("gate").Floats()[e*in:(e+1)*in], m.Factor("gate").Floats()[from*in:])
			copy(p.Factor("A").Floats()[e*re*in:(e+1)*re*in], m.Factor("A").Floats()[from*re*in:])
			for o := range out {
				copy(p.Factor("B").Floats()[o*6+e*re:][:re], m.Factor("B").Floats()[o*6+from*re:])
			}
		}
		y, g, _ := forward(m, x)
		yp, gp, _ := forward(p, x)
		for i := range y {
			if math.Abs(float64(y[i]-yp[i])) > 1e-4 { // sums of 6 products of up to 10, in another order
				t.Fatalf("%+v: y[%d] is %v, renumbered %v", r, i, y[i], yp[i])
			}
		}
		for i := range tokens {
			for e, from := range permutation {
				if d := gp[i*3+e] - g[i*3+from]; math.Abs(float64(d)) > 1e-6 {
					t.Fatalf("%+v: token %d: gate %d is %v, was %v as %d", r, i, e, gp[i*3+e], g[i*3+from], from)
				}
			}
		}
	}
}

// One expert is the plain adapter, bit for bit.
func TestOneExpert(t *testing.T) {
	x := random(tokens, in, 2)
	plain := newMap(t, nil, 0, 4)
	want := ag.Floats(plain.Forward(&nn.Context{Tape: ag.NewTape()}, x))
	for _, r := range []adapter.Router{LoRAMoE{PerLayer: 1, Balance: 1}, MoLA{PerLayer: 1, TopK: 2, Balance: 1}, None{}} {
		m := newMap(t, r, 0, 4)
		y, _, c := forward(m, x)
		if !slices.Equal(y, want) || m.TrainedParameters() != plain.TrainedParameters() || len(c.Losses) != 0 {
			t.Errorf("%T with one expert is not the plain adapter", r)
		}
	}
}

// loss builds the balance loss of gates w alone and returns its value and the
// gradient of the gates.
func balance(t *testing.T, r adapter.Router, m *adapter.Map, x ag.Tensor) (value float64, grad []float32) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape()}
	r.Gates(c, m, x)
	if len(c.Losses) != 1 || c.Losses[0].Name != "balance_loss" || c.Losses[0].Weight != 0.5 {
		t.Fatalf("%T: losses are %+v: must be one balance_loss of weight 0.5", r, c.Losses)
	}
	w := m.Factor("gate")
	w.ZeroGrad()
	if err := c.Backward(c.Losses[0].Value); err != nil {
		t.Fatal(err)
	}
	return float64(ag.Floats(c.Losses[0].Value)[0]), append([]float32(nil), w.GradFloats()...)
}

func TestBalance(t *testing.T) {
	x := random(tokens, in, 2)
	r := LoRAMoE{PerLayer: 3, Balance: 0.5}
	m := newMap(t, r, 0, 3)
	w := m.Factor("gate").Floats()

	clear(w) // all gates equal: the least value, and nothing to gain
	least, grad := balance(t, r, m, x)
	if math.Abs(least-1) > 1e-6 || slices.ContainsFunc(grad, func(g float32) bool { return math.Abs(float64(g)) > 1e-6 }) {
		t.Errorf("uniform gates have balance %v and gradient %v: must be 1 and zeros", least, grad)
	}
	for seed := range uint64(20) {
		copy(w, random(3, in, seed).Floats())
		if v, _ := balance(t, r, m, x); v < least-1e-6 {
			t.Errorf("gates %d have balance %v, below the uniform %v", seed, v, least)
		}
	}

	// A step against the gradient spreads the load, for both routers.
	for _, r := range []adapter.Router{r, MoLA{PerLayer: 3, TopK: 1, Balance: 0.5}} {
		m := newMap(t, r, 0, 3)
		w := m.Factor("gate").Floats()
		for i := range tokens { // expert 0 gets more, since x has a positive column
			x.Floats()[i*in] = 1
		}
		clear(w)
		w[0] = 1
		before, grad := balance(t, r, m, x)
		if !(grad[0] > 0) || !(grad[in] < 0) || !(grad[2*in] < 0) {
			t.Errorf("%T: the gradients of the experts' logits are %v, %v, %v: must be above 0 for the loaded one only", r, grad[0], grad[in], grad[2*in])
		}
		for i, g := range grad {
			w[i] -= 0.1 * g
		}
		if after, _ := balance(t, r, m, x); !(after < before) {
			t.Errorf("%T: the balance went from %v to %v along its gradient", r, before, after)
		}
	}
}

func TestLayers(t *testing.T) {
	for _, c := range []struct {
		p       Pattern
		experts int
		layers  int
		want    []int
	}{
		{Rectangle, 5, 4, []int{5, 5, 5, 5}},
		{Triangle, 5, 4, []int{8, 6, 4, 2}},
		{Inverted, 5, 8, []int{2, 2, 4, 4, 6, 6, 8, 8}},
		{Hourglass, 5, 4, []int{8, 2, 2, 8}},
		{Triangle, 5, 1, []int{5}},
	} {
		if got := (MoLA{PerLayer: c.experts, Pattern: c.p}).Layers(c.layers); !slices.Equal(got, c.want) {
			t.Errorf("pattern %d, %d experts, %d layers: %v: must be %v", c.p, c.experts, c.layers, got, c.want)
		}
	}
	for p := range quarters {
		for layers := 1; layers <= 34; layers++ {
			for experts := 1; experts <= 9; experts++ {
				counts := MoLA{PerLayer: experts, Pattern: Pattern(p)}.Layers(layers)
				sum := 0
				for l, n := range counts {
					sum += n
					wrong := n < 1
					if l > 0 {
						switch d := n - counts[l-1]; Pattern(p) {
						case Rectangle:
							wrong = wrong || d != 0
						case Triangle: // rounding may set a layer one above the last
							wrong = wrong || d > 1
						case Inverted:
							wrong = wrong || d < -1
						}
					}
					if wrong {
						t.Fatalf("pattern %d, %d experts: %v", p, experts, counts)
					}
				}
				if sum != layers*experts {
					t.Fatalf("pattern %d, %d experts, %d layers: %v have sum %d: must be %d", p, experts, layers, counts, sum, layers*experts)
				}
			}
		}
	}
}

// A map's gates do not depend on which other maps there are.
func TestStart(t *testing.T) {
	r := LoRAMoE{PerLayer: 4}
	start := func(names ...string) map[string][]float32 {
		var maps []*adapter.Map
		for _, n := range names {
			m := newMap(t, r, 0, 4)
			m.Linear.Name = n
			maps = append(maps, m)
		}
		r.Start(maps, rand.New(rand.NewPCG(1, 1)))
		values := map[string][]float32{}
		for _, m := range maps {
			values[m.Name] = m.Factor("gate").Floats()
		}
		return values
	}
	one, two := start("q", "v"), start("k", "v", "q")
	if !slices.Equal(one["q"], two["q"]) || !slices.Equal(one["v"], two["v"]) || slices.Equal(one["q"], one["v"]) {
		t.Error("gates depend on other maps, or are the same for all")
	}
	var square float64
	for _, v := range two {
		for _, w := range v {
			square += float64(w) * float64(w) / float64(3*4*in)
		}
	}
	if std := math.Sqrt(square); std < 0.015 || std > 0.025 { // 72 draws: ±8 %, three times that
		t.Errorf("gates have standard deviation %v: must be near 0.02", std)
	}
}

func TestChecks(t *testing.T) {
	for _, r := range []interface{ Check() error }{
		LoRAMoE{}, LoRAMoE{PerLayer: -1}, LoRAMoE{PerLayer: 2, Balance: math.NaN()}, LoRAMoE{PerLayer: 2, Balance: -1},
		MoLA{PerLayer: 4}, MoLA{PerLayer: 4, TopK: 1, Pattern: 4}, MoLA{PerLayer: 4, TopK: 1, Pattern: -1}, MoLA{TopK: 1},
	} {
		if r.Check() == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
}

func ExampleMoLA_Layers() {
	fmt.Println(MoLA{PerLayer: 5, Pattern: Inverted}.Layers(8))
	// Output: [2 2 4 4 6 6 8 8]
}
