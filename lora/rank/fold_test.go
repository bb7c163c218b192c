package rank

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
)

func streams(seed uint64) func(string) *rand.Rand {
	return func(name string) *rand.Rand {
		h := fnv.New64a()
		h.Write([]byte(name))
		return rand.New(rand.NewPCG(seed, h.Sum64()))
	}
}

// weights returns W' of all maps.
func weights(t *testing.T, maps []*adapter.Map) (all []float32) {
	t.Helper()
	for _, m := range maps {
		w, err := m.Merged()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w...)
	}
	return all
}

// distance is the largest difference of two lists.
func distance(x, y []float32) (most float64) {
	for i := range x {
		most = max(most, math.Abs(float64(x[i])-float64(y[i])))
	}
	return most
}

// At the end of every cycle but the last the function stays, and the share goes
// into the base; where all of it goes, A is another.
func TestFold(t *testing.T) {
	for _, share := range []float64{1, 0.1} {
		maps := newMaps(t, delta.LoRA{}, 2)
		plan, err := Fold{Cycles: 3, Share: share}.Plan(maps, 10, streams(1))
		if err != nil {
			t.Fatal(err)
		}
		var phases []int
		for step := 1; step <= 10; step++ {
			phases = append(phases, plan.Phase(step))
			a := slices.Clone(maps[0].Factor("A").Floats())
			var before []float32
			train(watched{plan, func() { before = weights(t, maps) }}, maps, step, step, func(int) {})
			after := weights(t, maps)
			if d := distance(before, after); d > 1e-4 { // float32 products of factors up to ten
				t.Errorf("share %v: step %d: the weight moves by %v", share, step, d)
			}
			folds := map[bool]int{step >= 3: 1}[true] + map[bool]int{step >= 6: 1}[true]
			if have := len(maps[1].Folded()); have != folds {
				t.Errorf("share %v: step %d: %d products are folded, want %d", share, step, have, folds)
			}
			ended := step == 3 || step == 6
			if ended && share == 1 && (distance(maps[0].Factor("B").Floats(), make([]float32, 42)) != 0 || distance(a, maps[0].Factor("A").Floats()) < 0.5) {
				t.Errorf("step %d: B is not zero, or A is as it was", step)
			}
			if ended && share == 1 {
				most := 1 / math.Sqrt(float64(maps[0].In))
				if d := distance(maps[0].Factor("A").Floats(), make([]float32, 30)); d > most || d < most/2 {
					t.Errorf("step %d: A is up to %v, want values within %v", step, d, most)
				}
			}
		}
		if want := []int{1, 1, 1, 4, 4, 4, 7, 7, 7, 7}; !slices.Equal(phases, want) {
			t.Errorf("phases begin at %v, want %v", phases, want)
		}
		if have := maps[0].RankBound(); have != 5 || !slices.Equal(plan.Ranks(), []int{6, 6}) {
			t.Errorf("rank bound %d, ranks %v", have, plan.Ranks())
		}
	}
}

// watched calls seen between a step and what the plan does after it.
type watched struct {
	adapter.Plan
	seen func()
}

func (w watched) After(step int) {
	w.seen()
	w.Plan.After(step)
}

// What the base holds is Ratio·s·(B·A − B_K·A_K), and the change of the weight
// has twice the rank at most.
func TestFollow(t *testing.T) {
	for _, begin := range []float64{0, 0.3} {
		maps := newMaps(t, delta.LoRA{}, 1)
		m := maps[0]
		m.W0()[3] = 1
		product := func() []float32 {
			p := make([]float32, m.Out*m.In)
			a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
			for i := range m.Out {
				for k := range m.Rank {
					for j := range m.In {
						p[i*m.In+j] += m.Scaling * b[i*m.Rank+k] * a[k*m.In+j]
					}
				}
			}
			return p
		}
		plan, err := Follow{Ratio: 2, Begin: begin}.Plan(maps, 10, nil)
		if err != nil {
			t.Fatal(err)
		}
		at := product()
		train(plan, maps, 1, 10, func(step int) {
			if begin == 0.3 && step <= 3 {
				at = product()
			}
			want := slices.Clone(m.W0())
			for i, x := range product() {
				want[i] += 2 * (x - at[i])
			}
			if d := distance(m.Base.Floats(), want); d > 1e-4 {
				t.Errorf("begin %v: step %d: the base is off by %v", begin, step, d)
			}
		})
	}
}

func TestFoldRefuses(t *testing.T) {
	maps := newMaps(t, delta.LoRA{}, 1)
	for _, c := range []struct {
		s    adapter.Schedule
		want string
	}{
		{Fold{Cycles: 1, Share: 1}, "cycles is 1"},
		{Fold{Cycles: 2}, "share is 0"},
		{Fold{Cycles: 2, Share: math.NaN()}, "share is NaN"},
		{Fold{Cycles: 20, Share: 1}, "10 steps are fewer than 20 cycles"},
		{Follow{}, "ratio is 0"},
		{Follow{Ratio: 2, Begin: 1}, "begin is 1"},
	} {
		if _, err := c.s.Plan(maps, 10, streams(1)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v: must say %q", c.s, err, c.want)
		}
	}
}
