package ag_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// After Set the products use the new values in both directions, as a weight
// made of them does.
func TestWeightSet(t *testing.T) {
	const m, in, out = 3, 17, 9
	values := func(seed uint64) ag.Values { return ag.Values{Floats: agtest.Random(out, in, seed).Floats()} }
	first, second := values(1), values(2)
	results := func(w *ag.Weight) (y, dx []float32) {
		x := agtest.Random(m, in, 3)
		tape := ag.NewTape()
		h := tape.Run(ag.NewFrozenLinear(x, w))
		if err := tape.Backward(tape.Run(ag.NewOrthogonality(h, true))); err != nil {
			t.Fatal(err)
		}
		return ag.Floats(h), x.GradFloats()
	}
	w := ag.NewWeightOf(out, in, first)
	results(w) // packs both
	w.Set(second)
	y, dx := results(w)
	wantY, wantDx := results(ag.NewWeightOf(out, in, second))
	if !slices.Equal(y, wantY) || !slices.Equal(dx, wantDx) || !slices.Equal(w.Floats(), second.Floats) {
		t.Error("the old values are still in use")
	}
	if n := testing.AllocsPerRun(10, func() { w.Set(first); w.Forward(); w.Backward() }); n > 0 {
		t.Errorf("packing new values anew allocates %v times", n)
	}
}

// A weight that nobody else has the values of is held packed alone, and has them still.
func TestWeightPassed(t *testing.T) {
	const m, in, out = 3, 401, 131
	x, targets := agtest.Random(m, in, 1), make([]float32, m*out)
	x.SetRequiresGrad(true)
	values := agtest.Random(out, in, 2).Floats()
	results := func(w *ag.Weight) (y, dx, norms []float32) {
		x.ZeroGrad()
		tape := ag.NewTape()
		h := tape.Run(ag.NewFrozenLinear(x, w))
		if err := tape.Backward(tape.Run(ag.NewMeanSquare(h, targets))); err != nil {
			t.Fatal(err)
		}
		a, b := agtest.Random(2, in, 3), agtest.Random(out, 2, 4)
		return ag.Floats(h), slices.Clone(x.GradFloats()), ag.Floats(tape.Run(ag.NewRowNorms(w, a, b, 1)))
	}
	w := ag.NewWeightOf(out, in, ag.Values{Floats: slices.Clone(values), Passed: true})
	for range 2 {
		y, dx, norms := results(w)
		wantY, wantDx, wantNorms := results(ag.NewWeight(out, in, values))
		if !slices.Equal(y, wantY) || !slices.Equal(dx, wantDx) || !slices.Equal(norms, wantNorms) {
			t.Error("the results differ")
		}
		if w.Values().Floats != nil {
			t.Error("the values are held")
		}
		if !slices.Equal(w.Floats(), values) {
			t.Error("the values differ")
		}
		w.Set(ag.Values{Floats: slices.Clone(values), Passed: true})
	}
}
