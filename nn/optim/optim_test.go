package optim_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn/optim"
)

func group(name string, values ...[]float32) *optim.Group {
	g := &optim.Group{Name: name, Scaling: 1}
	for i, v := range values {
		g.Params = append(g.Params, &optim.Param{Name: fmt.Sprint("p", i), Role: string(rune('A' + i)), Value: ag.NewParameter(1, len(v), v)})
	}
	return g
}

func setGrad(p *optim.Param, g ...float32) {
	p.Value.ZeroGrad()
	ag.Accumulate(p.Value, func(dst []float32, _ bool) { copy(dst, g) })
}

func TestSaveNamesAndLoadErrors(t *testing.T) {
	newOne := func() *optim.Optimizer {
		chain := optim.Chain{optim.Momentum{Mu: 0.9}, optim.Chain{optim.Adam{0.9, 0.99, 1e-8}}}
		return optim.New(chain, []*optim.Group{group("g", []float32{1, 2}, []float32{3})})
	}
	o := newOne()
	setGrad(o.Groups()[0].Params[0], 1, -1)
	o.Step(0.1)
	step, good := o.Save()
	want := []string{
		"g/0.momentum.p0", "g/0.momentum.p1",
		"g/1.0.adam.m.p0", "g/1.0.adam.m.p1", "g/1.0.adam.v.p0", "g/1.0.adam.v.p1",
	}
	if names := slices.Sorted(maps.Keys(good)); step != 1 || !slices.Equal(names, want) {
		t.Fatalf("Save: step %d, %q", step, names)
	}
	for _, c := range []struct {
		step   int
		change func(map[string][]float32)
		want   string
	}{
		{-1, func(map[string][]float32) {}, "step -1"},
		{1, func(b map[string][]float32) { delete(b, want[3]) }, "has no g/1.0.adam.m.p1"},
		{1, func(b map[string][]float32) { b[want[0]] = nil }, "g/0.momentum.p0 has 2 values, the checkpoint 0"},
		{1, func(b map[string][]float32) { b["other"] = nil }, "has other"},
	} {
		bad := maps.Clone(good)
		c.change(bad)
		fresh := newOne()
		if err := fresh.Load(c.step, bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Load: error %v, want one with %q", err, c.want)
		}
		step, buffers := fresh.Save()
		for name, v := range buffers {
			if step != 0 || slices.Max(v) != 0 || slices.Min(v) != 0 {
				t.Errorf("Load failed (%s) and yet step is %d, %s is %v", c.want, step, name, v)
			}
		}
	}
}

// TestNoGradient: a parameter without a gradient moves by its momentum only.
func TestNoGradient(t *testing.T) {
	g := group("g", []float32{1, 1})
	o := optim.New(optim.Momentum{Mu: 0.5}, []*optim.Group{g})
	setGrad(g.Params[0], 4, -8)
	o.Step(0.25) // b = 4, -8
	o.ZeroGrad()
	o.Step(0.25) // b = 2, -4
	if v := g.Params[0].Value.Floats(); v[0] != 1-1-0.5 || v[1] != 1+2+1 {
		t.Errorf("values %v, want [-0.5 4]", v)
	}
}

func TestClipNorm(t *testing.T) {
	newGroups := func() []*optim.Group {
		gs := []*optim.Group{group("a", []float32{0, 0}), group("b", []float32{0}, []float32{0})}
		setGrad(gs[0].Params[0], 3, 0)
		setGrad(gs[1].Params[0], 4)
		return gs // the last parameter has no gradient
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		max     float64
		first   float32
		norm    float64
		clipped bool
		after   float32
	}{
		{1, 3, 5, true, 0.6},
		{5, 3, 5, false, 3},
		{0, 3, 5, false, 3},
		{1, inf, math.Inf(1), false, inf},
	} {
		gs := newGroups()
		gs[0].Params[0].Value.GradFloats()[0] = c.first
		norm, clipped := optim.ClipNorm(gs, c.max)
		after := gs[0].Params[0].Value.GradFloats()[0]
		if norm != c.norm || clipped != c.clipped || after != c.after {
			t.Errorf("ClipNorm(max %g, first %g) = %g, %v and leaves %g; want %g, %v, %g", c.max, c.first, norm, clipped, after, c.norm, c.clipped, c.after)
		}
	}
	gs := newGroups()
	gs[0].Params[0].Value.GradFloats()[1] = float32(math.NaN())
	if norm, clipped := optim.ClipNorm(gs, 1); !math.IsNaN(norm) || clipped {
		t.Errorf("ClipNorm of NaN = %g, %v", norm, clipped)
	}
}

func TestSchedule(t *testing.T) {
	near := func(x, y float64) bool { return math.Abs(x-y) < 1e-12 }
	for _, c := range []struct {
		s    optim.Schedule
		want map[int]float64 // at a peak of 2
	}{
		{optim.Schedule{Kind: optim.Constant, Steps: 10}, map[int]float64{1: 2, 10: 2, 99: 2}},
		{optim.Schedule{Kind: optim.Constant, Steps: 10, Warmup: 0.3}, map[int]float64{1: 0.5, 2: 1, 3: 1.5, 4: 2, 10: 2}},
		{optim.Schedule{Kind: optim.Linear, Steps: 10}, map[int]float64{1: 2, 2: 1.8, 10: 0.2, 11: 0}},
		{optim.Schedule{Kind: optim.Linear, Steps: 10, Warmup: 0.11, Floor: 0.1}, map[int]float64{1: 2. / 3, 2: 4. / 3, 3: 2, 7: 1.1, 11: 0.2, 99: 0.2}},
		{optim.Schedule{Kind: optim.Cosine, Steps: 8, Floor: 0.25}, map[int]float64{1: 2, 5: 1.25, 9: 0.5}},
		{optim.Schedule{Kind: optim.Constant, Steps: 100, Warmup: 0.07}, map[int]float64{7: 1.75, 8: 2}},
		{optim.Schedule{Kind: optim.Cosine, Steps: 4, Warmup: 1}, map[int]float64{1: 0.4, 4: 1.6, 5: 0}},
	} {
		if err := c.s.Validate(); err != nil {
			t.Error(err)
		}
		for step, want := range c.want {
			if lr := c.s.LR(step, 2); !near(lr, want) {
				t.Errorf("%+v: LR(%d, 2) = %g, want %g", c.s, step, lr, want)
			}
		}
	}
	for _, s := range []optim.Schedule{
		{Kind: "step", Steps: 1}, {Kind: optim.Linear}, {Kind: optim.Linear, Steps: 1, Warmup: 1.5},
		{Kind: optim.Cosine, Steps: 1, Floor: math.NaN()}, {Kind: optim.Cosine, Steps: 1, Warmup: -0.1},
	} {
		if s.Validate() == nil {
			t.Errorf("%+v is valid", s)
		}
	}
}

// TestNoAllocation: a step after the first allocates nothing.
func TestNoAllocation(t *testing.T) {
	g := group("g", make([]float32, 5000))
	chain := optim.Chain{optim.Momentum{Mu: 0.9}, optim.Adam{0.9, 0.99, 1e-8}, optim.Decay{0.1}, optim.ScaleRole{"A", 2}}
	o := optim.New(chain, []*optim.Group{g})
	if n := testing.AllocsPerRun(5, func() { setGrad(g.Params[0], 1); o.Step(1e-3) }); n > 0 {
		t.Errorf("a step makes %g allocations", n)
	}
}

func Example() {
	w := ag.NewParameter(1, 1, []float32{3})
	g := &optim.Group{Name: "w", Scaling: 1, Params: []*optim.Param{{Name: "w", Value: w}}}
	o := optim.New(optim.AdamW(0.01), []*optim.Group{g})
	s := optim.Schedule{Kind: optim.Linear, Steps: 30}
	for t := range 30 { // minimise w²/2: the gradient is w
		o.ZeroGrad()
		ag.Accumulate(w, func(dw []float32, _ bool) { dw[0] = w.Floats()[0] })
		optim.ClipNorm(o.Groups(), 1)
		o.Step(s.LR(t+1, 0.2))
	}
	fmt.Printf("%.1f\n", math.Abs(float64(w.Floats()[0])))
	// Output: 0.0
}
