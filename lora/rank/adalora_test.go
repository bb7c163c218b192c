package rank

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn"
)

var paper = AdaLoRA{Ratio: 2, Begin: 0.2, End: 0.3, Every: 1, Beta1: 0.85, Beta2: 0.85}

// newMaps makes maps of rank 6 with random factors.
func newMaps(t *testing.T, d adapter.Delta, count int) []*adapter.Map {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var maps []*adapter.Map
	for i := range count {
		l := nn.NewLinear(fmt.Sprint("lin", i), 7, 5+i, make([]float32, 7*(5+i)))
		m, err := adapter.New(l, i, count, d, nil, 6, 6)
		if err != nil {
			t.Fatal(err)
		}
		m.Maps = count
		for _, f := range m.Factors {
			for j := range f.Floats() {
				f.Floats()[j] = float32(rng.NormFloat64())
			}
		}
		maps = append(maps, m)
	}
	return maps
}

// train runs the plan with random gradients and plain descent, and calls check
// after each step.
func train(plan adapter.Plan, maps []*adapter.Map, from, to int, check func(step int)) {
	for step := from; step <= to; step++ {
		rng := rand.New(rand.NewPCG(9, uint64(step)))
		for _, m := range maps {
			for _, f := range m.Factors {
				f.ZeroGrad()
				ag.Accumulate(f.Variable, func(g []float32, _ bool) {
					for i := range g {
						g[i] = float32(rng.NormFloat64())
					}
				})
			}
		}
		plan.Before(step)
		for _, m := range maps {
			for _, f := range m.Factors {
				for i, g := range f.GradFloats() {
					f.Floats()[i] -= 0.1 * g
				}
			}
		}
		plan.After(step)
		check(step)
	}
}

// active counts the components that contribute to the weight.
func active(m *adapter.Map) int {
	n := 0
	for k := range m.Rank {
		zero := true
		if e := m.Factor("E"); e != nil {
			zero = e.Floats()[k] == 0
		} else {
			for i := range m.Out {
				zero = zero && m.Factor("B").Floats()[i*m.Rank+k] == 0
			}
		}
		if !zero {
			n++
		}
	}
	return n
}

func TestBudget(t *testing.T) {
	for _, d := range []adapter.Delta{delta.LoRA{}, delta.SVD{}} {
		maps := newMaps(t, d, 3)
		plan, err := paper.Plan(maps, 40, nil)
		if err != nil {
			t.Fatal(err)
		}
		last, frozen := 18, []int(nil)
		train(plan, maps, 1, 40, func(step int) {
			ranks := plan.Ranks()
			sum := 0
			for i, m := range maps {
				sum += ranks[i]
				if step > 8 && active(m) != ranks[i] {
					t.Errorf("step %d: %d components of %s are not zero, its rank is %d", step, active(m), m.Name, ranks[i])
				}
			}
			// b0 = 18, bT = 9, from step 8 to 28
			want := 18
			switch x := 1 - float64(step-8)/20; {
			case step >= 28:
				want = 9
			case step > 8:
				want = int(9 + 9*x*x*x)
			}
			if sum != want || sum > last {
				t.Errorf("step %d: %d components in use after %d, the budget is %d", step, sum, last, want)
			}
			last = sum
			if step == 28 {
				frozen = ranks
			}
			if step > 28 && !slices.Equal(ranks, frozen) {
				t.Errorf("step %d: ranks are %v, were frozen at %v", step, ranks, frozen)
			}
		})
	}
}

// Before the masks are frozen a pruned component may come back.
func TestRevival(t *testing.T) {
	maps := newMaps(t, delta.LoRA{}, 3)
	plan, _ := paper.Plan(maps, 400, nil)
	pruned, revived := map[string]bool{}, false
	train(plan, maps, 1, 280, func(int) {
		for i, c := range plan.(*pruning).maps {
			for k, keep := range c.mask {
				id := fmt.Sprint(i, k)
				revived = revived || keep != 0 && pruned[id]
				pruned[id] = pruned[id] || keep == 0
			}
		}
	})
	if len(pruned) == 0 || !revived {
		t.Errorf("no component came back in 280 steps of random gradients")
	}
}

// Of the paper's order: the sensitivity is |w·g| of the weights that the
// gradient belongs to.
func TestSensitivityOrder(t *testing.T) {
	for _, post := range []bool{false, true} {
		maps := newMaps(t, delta.SVD{}, 1)
		s := paper
		s.PostStep = post
		plan, _ := s.Plan(maps, 40, nil)
		e := maps[0].Factor("E")
		before := append([]float32(nil), e.Floats()...)
		train(plan, maps, 1, 1, func(int) {
			for k, g := range e.GradFloats() {
				w := before[k]
				if post {
					w = e.Floats()[k]
				}
				want := float32(0.15) * abs(w*g)
				if got := plan.(*pruning).maps[0].e.mean[k]; math.Abs(float64(got-want)) > 1e-6 {
					t.Errorf("post-step %v: the mean sensitivity of E_%d is %v: must be %v", post, k, got, want)
				}
			}
		})
	}
}

// The last mask is chosen with the step's own gradient in the paper's order;
// in PEFT's with that of the step before. Later gradients count no more.
func TestLastObservation(t *testing.T) {
	for _, post := range []bool{false, true} {
		maps := newMaps(t, delta.LoRA{}, 1)
		s := paper
		s.PostStep = post
		plan, _ := s.Plan(maps, 40, nil) // frozen from step 28 on
		mean := func() []float32 { return slices.Clone(plan.(*pruning).maps[0].a.mean) }
		nothing := func(int) {}
		train(plan, maps, 1, 27, nothing)
		at27 := mean()
		train(plan, maps, 28, 28, nothing)
		at28 := mean()
		train(plan, maps, 29, 29, nothing)
		if slices.Equal(at27, at28) != post || !slices.Equal(at28, mean()) {
			t.Errorf("post-step %v: the importance changes at step 28: %v, at step 29: %v", post, !slices.Equal(at27, at28), !slices.Equal(at28, mean()))
		}
	}
}

// Equal scores are no reason to prune more than the budget asks for: the
// components of the first maps stay.
func TestTies(t *testing.T) {
	maps := newMaps(t, delta.LoRA{}, 3)
	plan, _ := paper.Plan(maps, 40, nil)
	for step := 1; step <= 28; step++ { // no gradient at all: every score is 0
		plan.Before(step)
		plan.After(step)
	}
	if got := plan.Ranks(); !slices.Equal(got, []int{6, 3, 0}) {
		t.Errorf("ranks are %v: must be 6, 3, 0", got)
	}
}

func TestResume(t *testing.T) {
	run := func(restart bool) []float32 {
		maps := newMaps(t, delta.SVD{}, 2)
		plan, _ := paper.Plan(maps, 30, nil)
		nothing := func(int) {}
		train(plan, maps, 1, 13, nothing)
		if restart {
			old := plan
			plan, _ = paper.Plan(maps, 30, nil)
			for i, b := range plan.Buffers() {
				if b.Name != old.Buffers()[i].Name {
					t.Fatalf("buffer %d is %s, was %s", i, b.Name, old.Buffers()[i].Name)
				}
				copy(b.Values, old.Buffers()[i].Values)
			}
		}
		train(plan, maps, 14, 30, nothing)
		var all []float32
		for _, m := range maps {
			for _, f := range m.Factors {
				all = append(all, f.Floats()...)
			}
		}
		return all
	}
	if !slices.Equal(run(false), run(true)) {
		t.Error("a restart with the buffers changes the outcome")
	}
}

func TestRefusals(t *testing.T) {
	with := func(change func(*AdaLoRA)) AdaLoRA { s := paper; change(&s); return s }
	for _, c := range []struct {
		s     AdaLoRA
		steps int
		want  string
	}{
		{with(func(s *AdaLoRA) { s.Ratio = 1 }), 40, "ratio is 1"},
		{with(func(s *AdaLoRA) { s.Ratio = math.NaN() }), 40, "ratio is NaN"},
		{with(func(s *AdaLoRA) { s.Begin, s.End = 0.5, 0.5 }), 40, "leave steps between"},
		{with(func(s *AdaLoRA) { s.Begin = -1 }), 40, "begin is -1"},
		{with(func(s *AdaLoRA) { s.Every = 0 }), 40, "every is 0"},
		{with(func(s *AdaLoRA) { s.Beta1 = 1 }), 40, "beta1 is 1"},
		{paper, 0, "leave no step"},
		{with(func(s *AdaLoRA) { s.Ratio = 1.05 }), 40, "nothing would be pruned"},
	} {
		_, err := c.s.Plan(newMaps(t, delta.LoRA{}, 1), c.steps, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v over %d steps: error %v: must say %q", c.s, c.steps, err, c.want)
		}
	}
	if _, err := paper.Plan(newMaps(t, delta.Full{}, 1), 40, nil); err == nil {
		t.Error("a map without a pair is accepted")
	}
	if got := paper.StartRank(8); got != 16 || paper.target(got) != 8 {
		t.Errorf("rank 8 starts at %d and ends at %d", got, paper.target(got))
	}
}

func TestNone(t *testing.T) {
	maps := newMaps(t, delta.LoRA{}, 2)
	plan, err := None{}.Plan(maps, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	train(plan, maps, 1, 10, func(int) {})
	if got := plan.Ranks(); !slices.Equal(got, []int{6, 6}) || plan.Buffers() != nil {
		t.Errorf("ranks are %v, buffers %v: must be 6, 6 and none", got, plan.Buffers())
	}
}

func ExampleAdaLoRA_StartRank() {
	s := AdaLoRA{Ratio: 1.5, Begin: 0.1, End: 0.3, Every: 1, Beta1: 0.85, Beta2: 0.85}
	fmt.Println(s.StartRank(8))
	// Output: 12
}
