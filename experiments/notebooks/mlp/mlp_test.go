package mlp

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/probe"
)

// sample is a network of two maps that is to learn random outputs.
func sample() *Problem {
	rng := rand.New(rand.NewPCG(1, 1))
	normal := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64()) / 2
		}
		return v
	}
	return &Problem{Maps: []Map{{Out: 5, In: 4, W: normal(20)}, {Out: 3, In: 5, W: normal(15)}}, Samples: 8, X: normal(32), Y: normal(24)}
}

// loss computes it from its definition.
func loss(p *Problem) float64 {
	var sum float64
	for n := range p.Samples {
		var x []float64
		for _, v := range p.X[n*p.Maps[0].In:][:p.Maps[0].In] {
			x = append(x, float64(v))
		}
		for i, m := range p.Maps {
			y := make([]float64, m.Out)
			for o := range y {
				for j := range x {
					z := x[j]
					if i > 0 {
						z = max(z, 0)
					}
					y[o] += float64(m.W[o*m.In+j]) * z
				}
			}
			x = y
		}
		for o, v := range x {
			e := v - float64(p.Y[n*len(x)+o])
			sum += e * e / 2
		}
	}
	return sum / float64(p.Samples)
}

// The gradients are those of differences of the loss by its definition.
func TestGradients(t *testing.T) {
	p := sample()
	g, err := p.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"map1", "map2"} {
		for j := range p.Maps[i].W {
			const h = 1e-3
			at := func(d float32) float64 {
				w := p.Maps[i].W[j]
				p.Maps[i].W[j] = w + d
				defer func() { p.Maps[i].W[j] = w }()
				return loss(p)
			}
			want := (at(h) - at(-h)) / (2 * h)
			if got := float64(g[name][j]); math.Abs(got-want) > 1e-4 { // the difference's own error is h²
				t.Errorf("%s: gradient %d is %v, differences say %v", name, j, got, want)
			}
		}
	}
}

// A run starts at the network's loss, sees its gradient, and lowers the loss; a
// frozen map has no adapter.
func TestRun(t *testing.T) {
	p := sample()
	method, err := lora.Row("lora")
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Start(method, lora.Options{Rank: 2, Alpha: 2, Seed: 1}, 20)
	if err != nil {
		t.Fatal(err)
	}
	if want := loss(p); math.Abs(r.Loss()-want) > 1e-6*want {
		t.Errorf("the run starts at %v, the network has %v", r.Loss(), want)
	}
	rows, err := r.Measure(probe.Tier2)
	if err != nil {
		t.Fatal(err)
	}
	g, err := p.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, row := range rows {
		if row.Layer == "map2" && row.Name == "gradient_norm" {
			found = true
			var sum float64
			for _, v := range g["map2"] {
				sum += float64(v) * float64(v)
			}
			if want := math.Sqrt(sum); math.Abs(row.Value-want) > 1e-5*want {
				t.Errorf("the probe sees a gradient of norm %v, want %v", row.Value, want)
			}
		}
	}
	if !found {
		t.Errorf("the probe has not seen the gradient: %v", r.Probe.Undefined())
	}
	start := r.Loss()
	for range 20 {
		if _, err := r.Step(0.01, 0); err != nil {
			t.Fatal(err)
		}
	}
	if r.Loss() >= start {
		t.Errorf("20 steps take the loss from %v to %v", start, r.Loss())
	}
	p.Maps[0].Frozen = true
	if r, err = p.Start(method, lora.Options{Rank: 2, Alpha: 2}, 1); err != nil || len(r.Set.Maps) != 1 || r.Set.Maps[0].Name != "map2" {
		t.Errorf("with a frozen map: %v, %v", r, err)
	}
	p.X = p.X[1:]
	if _, err := p.Start(method, lora.Options{Rank: 2, Alpha: 2}, 1); err == nil {
		t.Error("a problem that lacks an input is accepted")
	}
}
