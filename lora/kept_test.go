package lora_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// An adapter on a base in NF4 merges into the decoded weights, is taken out again
// with the base as it was, and its files fit both this base and the one in float32.
func TestKeptBase(t *testing.T) {
	load := func() nn.Model { return loadKept(t) }
	model := load()
	row, err := lora.Row("lora")
	if err != nil {
		t.Fatal(err)
	}
	set, err := lora.Inject(model, row, lora.Options{Rank: 2, Alpha: 4, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Maps {
		b := m.Factor("B").Floats()
		for i := range b {
			b[i] = float32(i%7)/16 - 0.2
		}
	}
	outputs := func(m nn.Model) []float32 { return outputsOf(t, m) }
	adapted := outputs(model)
	config, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Merge(); err != nil {
		t.Fatal(err)
	}
	for i, y := range outputs(model) {
		if d := y - adapted[i]; d > 1e-4 || d < -1e-4 { // sums of some hundred products near one
			t.Fatalf("output %d is %v merged, %v adapted", i, y, adapted[i])
		}
	}
	set.Unmerge()
	for _, m := range set.Maps {
		if s := m.W.Values().Stored; s == nil || s.Format != kernels.NF4 {
			t.Errorf("%s is no longer kept as nf4", m.Name)
		}
	}
	if !slices.Equal(outputs(model), adapted) {
		t.Error("merged and unmerged, it computes something else")
	}
	again := load()
	if _, err := lora.Load(again, config, weights); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(outputs(again), adapted) {
		t.Error("read on the same base, it computes something else")
	}
	plain, err := pretrained.Load("../nn/llama/testdata")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lora.Load(plain, config, weights); err != nil {
		t.Errorf("on the base in float32: %v", err)
	}
}

// What a start takes out of a base in NF4, and what is folded into it, stays beside
// it as factors; the function, the weights and a state's are those of a base in
// float32 with the same values.
func TestKeptBaseOffset(t *testing.T) {
	row, err := lora.Row("pissa")
	if err != nil {
		t.Fatal(err)
	}
	const rank, tolerance = 2, 1e-4 // sums of some hundred products near one
	inject := func(m nn.Model) *lora.Set {
		set, err := lora.Inject(m, row, lora.Options{Rank: rank, Alpha: 4, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	model, wide := loadKept(t), loadKept(t)
	for _, l := range wide.Linears() {
		l.SetWeight(l.Weight())
	}
	before := outputsOf(t, model)
	set, plain := inject(model), inject(wide)
	fold := func(s *lora.Set) {
		for _, m := range s.Maps {
			p := m.Pair()
			kernels.Scale(0.5, ag.Floats(p.B))
			m.Fold(p)
		}
	}
	for _, factors := range []int{rank, 2 * rank} {
		if factors > rank {
			fold(set)
			fold(plain)
			before = outputsOf(t, wide)
		}
		near(t, "the start", outputsOf(t, model), before, tolerance, 0)
		for i, m := range set.Maps {
			if n := m.BaseValues(); n != factors*(m.In+m.Out) {
				t.Errorf("%s holds %d values", m.Name, n)
			}
			near(t, m.Name, m.Base.Floats(), plain.Maps[i].Base.Floats(), tolerance, 0)
		}
	}
	adapted := outputsOf(t, model)
	again := loadKept(t)
	if err := inject(again).Restore(set.State()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(outputsOf(t, again), adapted) {
		t.Error("restored on the same base, it computes something else")
	}
	if err := set.Merge(); err != nil {
		t.Fatal(err)
	}
	near(t, "merged", outputsOf(t, model), adapted, tolerance, 0)
	if set.Unmerge(); !slices.Equal(outputsOf(t, model), adapted) {
		t.Error("merged and unmerged, it computes something else")
	}
}

func loadKept(t *testing.T) nn.Model {
	t.Helper()
	m, err := pretrained.LoadKept("../nn/llama/testdata", kernels.NF4, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func outputsOf(t *testing.T, m nn.Model) []float32 {
	t.Helper()
	var y ag.Tensor
	if err := ag.Guard(func() {
		y = m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 4, IDs: []int32{1, 2, 3, 4}})
	}); err != nil {
		t.Fatal(err)
	}
	return ag.Floats(y)
}

// LoftQ's base is kept in the 4 bits that it is rounded to, packed for good or in every
// product, and computes bit for bit what it does in float32; after a state too, and
// after a file. What is folded into it makes it float32.
func TestRoundedBaseIsKept(t *testing.T) {
	row, err := lora.Row("loftq")
	if err != nil {
		t.Fatal(err)
	}
	for _, streamed := range []bool{false, true} {
		load := func() nn.Model {
			model, err := pretrained.Load("../nn/llama/testdata")
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range model.Linears() {
				l.Streamed = streamed
			}
			return model
		}
		model, again, read := load(), load(), load()
		inject := func(m nn.Model) *lora.Set {
			set, err := lora.Inject(m, row, lora.Options{Rank: 2, Alpha: 4, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			return set
		}
		set := inject(model)
		restored := inject(again)
		if err := restored.Restore(set.State()); err != nil {
			t.Fatal(err)
		}
		config, weights, err := set.Files()
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := lora.Load(read, config, weights)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*lora.Set{set, restored, loaded} {
			for _, m := range s.Maps {
				n := m.Out * m.In
				if v := m.Base.Values().Stored; v == nil || v.Format != kernels.NF4 || m.Base.Streamed() != streamed || m.BaseValues() != (n/2+4*((n+63)/64)+3)/4 {
					t.Errorf("%s: its base of %d values takes as much as %d, streamed: %v", m.Name, n, m.BaseValues(), m.Base.Streamed())
				}
			}
		}
		have := outputsOf(t, model)
		if !slices.Equal(outputsOf(t, again), have) || !slices.Equal(outputsOf(t, read), have) {
			t.Error("restored or loaded, it computes something else")
		}
		for _, m := range set.Maps {
			m.SetBase(slices.Clone(m.Base.Floats()))
		}
		if !slices.Equal(outputsOf(t, model), have) {
			t.Error("with the base in float32 it computes something else")
		}
		for i, m := range restored.Maps {
			base, p := set.Maps[i].Base.Floats(), m.Pair()
			m.Fold(p)
			want := slices.Clone(base)
			kernels.MatMul(kernels.NN, true, m.Out, m.In, m.Rank, scaledBy(m.Scaling, ag.Floats(p.B)), m.Rank, ag.Floats(p.A), m.In, want, m.In)
			near(t, m.Name, m.Base.Floats(), want, 1e-6, 0) // the sum of two products, near 1e-2
		}
	}
}

func scaledBy(c float32, x []float32) []float32 {
	x = slices.Clone(x)
	kernels.Scale(c, x)
	return x
}
