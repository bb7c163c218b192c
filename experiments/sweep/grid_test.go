package sweep

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
)

func TestDecades(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      []float64
	}{
		{-3.5, -1, []float64{3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1}},
		{-2, -2, []float64{1e-2}},
		{0, 1, []float64{1, 3.16, 10}},
	} {
		if have := Decades(c.low, c.high); !slices.Equal(have, c.want) {
			t.Errorf("from 10^%v to 10^%v: have %v, want %v", c.low, c.high, have, c.want)
		}
	}
}

func TestID(t *testing.T) {
	for want, lr := range map[string]float64{
		"pissa_lr3.16e-4_seed2": 3.16e-4, "pissa_lr1e-1_seed2": 0.1, "pissa_lr1e0_seed2": 1, "pissa_lr3.16e1_seed2": 31.6,
		"pissa_lr1e-12_seed2": 1e-12, "pissa_lr5.5e-10_seed2": 5.5e-10,
	} {
		if have := ID("pissa", lr, 2); have != want {
			t.Errorf("have %s, want %s", have, want)
		}
	}
	for _, lr := range []float64{1e-12, 3.16e-4, 1, 1e6} { // a name that a configuration may have
		c := experiments.DefaultConfig()
		c.Name = ID("lora-plus", lr, math.MaxUint64)
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// Rounded learning rates carry on in the decades that they stand for.
func TestContinued(t *testing.T) {
	up := Decades(-3.5, -1)
	down := slices.Clone(up)
	slices.Reverse(down)
	for _, c := range []struct{ series, want []float64 }{
		{up, []float64{3.16e-1, 1, 3.16}},
		{down, []float64{1e-4, 3.16e-5, 1e-5}},
		{[]float64{1e-3, 2e-3}, []float64{4e-3, 8e-3, 1.6e-2}},
		{[]float64{1e-2, 1e-3, 1e-4}, []float64{1e-5, 1e-6, 1e-7}},
	} {
		if have := continued(c.series, 3); !slices.Equal(have, c.want) {
			t.Errorf("after %v: have %v, want %v", c.series, have, c.want)
		}
	}
}

func names(configs []*experiments.Config) []string {
	list := []string{}
	for _, c := range configs {
		list = append(list, c.Name)
	}
	return list
}

func newGrid(extend int) *Grid {
	return &Grid{Template: experiments.DefaultConfig(), Methods: []string{"lora", "pissa"}, LRs: []float64{1e-3, 1e-2}, Seeds: []uint64{1, 2}, Extend: extend}
}

// A seed after the other, and in it a learning rate after the other: all
// methods can be compared early.
func TestNextInItsOrder(t *testing.T) {
	g := newGrid(2)
	want := []string{
		"lora_lr1e-3_seed1", "pissa_lr1e-3_seed1", "lora_lr1e-2_seed1", "pissa_lr1e-2_seed1",
		"lora_lr1e-3_seed2", "pissa_lr1e-3_seed2", "lora_lr1e-2_seed2", "pissa_lr1e-2_seed2",
	}
	have := g.Next(nil)
	if !slices.Equal(names(have), want) {
		t.Errorf("have %v, want %v", names(have), want)
	}
	for _, c := range have {
		if c.Name != ID(c.Method.Name, c.Train.LR, c.Train.Seed) {
			t.Errorf("%s is %s at %v with seed %d", c.Name, c.Method.Name, c.Train.LR, c.Train.Seed)
		}
	}
	if g.Template.Name != "" || g.Template.Train.LR != 1e-3 || g.Template.Method.Name != "lora" {
		t.Errorf("the template has changed: %+v", g.Template)
	}
	done := map[string]*record.Run{want[0]: {}, want[5]: {}}
	if have := names(g.Next(done)); len(have) != 6 || slices.Contains(have, want[0]) || slices.Contains(have, want[5]) {
		t.Errorf("two are done: have %v", have)
	}
}

// grow plants the losses of a method in place of training: next takes a
// learning rate and a seed to a final loss, +Inf for a run that diverges. It
// returns the learning rates beyond the grid in the order of their trial.
func grow(t *testing.T, g *Grid, loss func(method string, lr float64, seed uint64) float64) map[string][]float64 {
	t.Helper()
	done := map[string]*record.Run{}
	beyond := map[string][]float64{}
	for range 20 {
		next := g.Next(done)
		if len(next) == 0 {
			return beyond
		}
		for _, c := range next {
			if done[c.Name] != nil {
				t.Errorf("%s comes twice", c.Name)
			}
			rec := &record.Run{ID: c.Name, Status: record.Diverged}
			if l := loss(c.Method.Name, c.Train.LR, c.Train.Seed); !math.IsInf(l, 1) {
				rec.Status, rec.Eval = record.Done, record.Eval{"adapt_after": l}
			}
			done[c.Name] = rec
			if lr := c.Train.LR; !slices.Contains(g.LRs, lr) && c.Train.Seed == g.Seeds[0] {
				beyond[c.Method.Name] = append(beyond[c.Method.Name], lr)
			}
		}
	}
	t.Error("the grid has no end")
	return beyond
}

// The best learning rate of the parabola is at 10^log, above which all
// diverges at 10^end.
func parabola(log, end float64) func(string, float64, uint64) float64 {
	return func(_ string, lr float64, seed uint64) float64 {
		x := math.Log10(lr)
		if x > end {
			return math.Inf(1)
		}
		return 2 + (x-log)*(x-log) + 0.01*float64(seed)
	}
}

func TestExtensionBracketsTheOptimum(t *testing.T) {
	inside := &Grid{Template: experiments.DefaultConfig(), Methods: []string{"lora"}, LRs: Decades(-3, -1), Seeds: []uint64{1, 2}, Extend: 2}
	single := *inside
	single.Seeds = []uint64{7}
	none := *inside
	none.Extend = 0
	one := *inside
	one.LRs = []float64{1e-2}
	for name, c := range map[string]struct {
		grid *Grid
		loss func(string, float64, uint64) float64
		want []float64
	}{
		"in the middle":            {inside, parabola(-2, 9), nil},
		"at the low end":           {inside, parabola(-3, 9), []float64{3.16e-4}},
		"below the low end":        {inside, parabola(-3.5, 9), []float64{3.16e-4, 1e-4}},
		"far below":                {inside, parabola(-9, 9), []float64{3.16e-4, 1e-4}},
		"at the high end":          {inside, parabola(-1, 9), []float64{0.316}},
		"above":                    {inside, parabola(-0.5, 9), []float64{0.316, 1}},
		"far above":                {inside, parabola(9, 9), []float64{0.316, 1}},
		"above, where it diverges": {inside, parabola(0, -0.9), []float64{0.316}},
		"everything diverges":      {inside, parabola(0, -9), []float64{3.16e-4, 1e-4}},
		"the grid diverges":        {inside, parabola(-3.5, -3.1), []float64{3.16e-4, 1e-4}},
		"one seed":                 {&single, parabola(-3.5, 9), []float64{3.16e-4, 1e-4}},
		"no extension":             {&none, parabola(-9, 9), nil},
		"a grid of one":            {&one, parabola(-9, 9), nil},
		"one seed of two diverges": {inside, func(m string, lr float64, seed uint64) float64 {
			if seed == 2 && lr > 0.05 { // then the method has not held there
				return math.Inf(1)
			}
			return parabola(-1, 9)(m, lr, seed)
		}, nil},
	} {
		if have := grow(t, c.grid, c.loss)["lora"]; !slices.Equal(have, c.want) {
			t.Errorf("the optimum %s: tried %v, want %v", name, have, c.want)
		}
	}
}

// Each method is extended by itself.
func TestExtensionIsOfAMethod(t *testing.T) {
	g := newGrid(2)
	g.LRs = Decades(-3, -1)
	have := grow(t, g, func(method string, lr float64, seed uint64) float64 {
		return map[string]func(string, float64, uint64) float64{"lora": parabola(-2, 9), "pissa": parabola(-3, 9)}[method](method, lr, seed)
	})
	if len(have["lora"]) != 0 || !slices.Equal(have["pissa"], []float64{3.16e-4}) {
		t.Errorf("have %v", have)
	}
}
