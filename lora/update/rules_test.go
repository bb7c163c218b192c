package update

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// rules are all that there are, in all their forms.
var rules = []adapter.Update{
	AdamW{}, SGD{}, SGD{Momentum: 0.9}, SGD{Momentum: 0.9, Nesterov: true}, Lion{0.9, 0.99}, AdaLomo{},
	LoRAPlus{Ratio: 16}, LoRAPlus{Ratio: 16, PEFT: true},
	LoRAFA{}, LoRAFA{Project: true}, LoRAFA{PEFT: true},
	LoRAPro{}, LoRAPro{Form: FactoredAdam}, LoRAPro{Form: FactoredAdam, Factory: true}, AltLoRA{Beta: 0.9, Damping: 1e-6}, AltLoRA{},
	LoRAPro{Form: Gradient}, LoRAPro{X: Zero}, LoRAPro{Form: Gradient, X: Symmetric},
	ScaledGD{}, ScaledGD{0.01}, ScaledAdamW{0.01},
	LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6}, LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, EscapedMass: true},
	LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, Skip: 1, Clip: 1},
	LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 1e-4, Damping: 1e-6, Clip: 1},
	Muon{Momentum: 0.95, Nesterov: true, Steps: 5}, Muon{MatchRMS: true},
	TangentMuon{Momentum: 0.95, Nesterov: true, Steps: 5}, TangentMuon{MatchRMS: true},
	GaLore{Rank: 2, Every: 3, Scale: 0.25}, GaLore{Rank: 64, Every: 3, Scale: 0.25},
	Restarts{Warmup: 1, Keep: 0.1}, Restarts{},
}

func eachRule(t *testing.T, f func(t *testing.T, u adapter.Update)) {
	for _, u := range rules {
		t.Run(fmt.Sprintf("%T%+v", u, u), func(t *testing.T) { f(t, u) })
	}
}

func TestRulesCheck(t *testing.T) {
	eachRule(t, func(t *testing.T, u adapter.Update) {
		if c, ok := u.(adapter.Checker); ok {
			if err := c.Check(); err != nil {
				t.Error(err)
			}
		}
	})
	for _, u := range []adapter.Checker{
		GaLore{Every: 1, Scale: 1}, GaLore{Rank: 1, Scale: 1}, GaLore{Rank: 1, Every: 1}, GaLore{Rank: 1, Every: 1, Scale: math.NaN()},
		Restarts{Warmup: -1}, Restarts{Keep: 1.1}, Lion{1, 0.9}, Lion{0.9, math.NaN()},
	} {
		if u.Check() == nil {
			t.Errorf("%T%+v is accepted", u, u)
		}
	}
}

// Saved and loaded in the middle, the steps that follow are the same.
func TestRulesResume(t *testing.T) {
	eachRule(t, func(t *testing.T, u adapter.Update) {
		run := func(restart bool) []float32 {
			p := newProblem(96, 24, 4, "zero", 5)
			g := p.group()
			o := optim.New(u.Transform(0.1), []*optim.Group{g})
			for step := range 6 {
				if step == 4 && restart {
					at, buffers := o.Save()
					o = optim.New(u.Transform(0.1), []*optim.Group{g})
					if err := o.Load(at, buffers); err != nil {
						t.Fatal(err)
					}
				}
				o.Phase = step/3*3 + 1
				o.Step(0.01)
				p.backward(g)
			}
			return append(append([]float32{}, g.Role("A").Value.Floats()...), g.Role("B").Value.Floats()...)
		}
		straight, resumed := run(false), run(true)
		for i, v := range straight {
			if v != resumed[i] {
				t.Fatalf("value %d is %v after a restart, %v without", i, resumed[i], v)
			}
		}
	})
}

// The same bits on any number of threads.
func TestRulesThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	eachRule(t, func(t *testing.T, u adapter.Update) {
		var first *mat.Dense
		for _, threads := range []int{1, 2, 8} {
			runtime.GOMAXPROCS(threads)
			a, b := newProblem(160, 200, 70, "random", 3).step(u.Transform(0.1))
			both := mul(b, a)
			if first == nil {
				first = both
			}
			equal(t, fmt.Sprintf("on %d threads", threads), both, first)
		}
	})
}

// A step after the first allocates nothing.
func TestRulesDoNotAllocate(t *testing.T) {
	eachRule(t, func(t *testing.T, u adapter.Update) {
		g := newProblem(96, 64, 8, "random", 3).group()
		o := optim.New(u.Transform(0.1), []*optim.Group{g})
		o.Step(1e-3)
		if n := testing.AllocsPerRun(7, func() { o.Step(1e-3) }); n > 0 {
			t.Errorf("a step makes %g allocations", n)
		}
	})
}

// A factor that is not finite gives updates that are not, and no panic; one
// that is as large as can be may give any.
func TestRulesNotFinite(t *testing.T) {
	eachRule(t, func(t *testing.T, u adapter.Update) {
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32} {
			p := newProblem(12, 8, 3, "random", 1)
			g := p.group()
			g.Role("B").Value.Floats()[4] = bad
			g.Role("B").Value.GradFloats()[4] = bad
			o := optim.New(u.Transform(0.1), []*optim.Group{g})
			o.Step(0.1)
			o.Step(0.1)
			finite := true
			for _, v := range g.Role("B").Value.Floats() {
				finite = finite && !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
			}
			if finite && bad != math.MaxFloat32 {
				t.Errorf("B and its gradient hold %v, and B is finite after a step", bad)
			}
		}
	})
}
