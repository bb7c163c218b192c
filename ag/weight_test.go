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
