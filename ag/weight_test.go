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
	first, second := agtest.Random(out, in, 1).Floats(), agtest.Random(out, in, 2).Floats()
	results := func(w *ag.Weight) (y, dx []float32) {
		x := agtest.Random(m, in, 3)
		tape := ag.NewTape()
		h := tape.Run(ag.NewFrozenLinear(x, w))
		if err := tape.Backward(tape.Run(ag.NewOrthogonality(h, true))); err != nil {
			t.Fatal(err)
		}
		return ag.Floats(h), x.GradFloats()
	}
	w := ag.NewWeight(out, in, first)
	results(w) // packs both
	w.Set(second)
	y, dx := results(w)
	wantY, wantDx := results(ag.NewWeight(out, in, second))
	if !slices.Equal(y, wantY) || !slices.Equal(dx, wantDx) || !slices.Equal(w.Floats(), second) {
		t.Error("the old values are still in use")
	}
	if n := testing.AllocsPerRun(10, func() { w.Set(first); w.Forward(); w.Backward() }); n > 0 {
		t.Errorf("packing new values anew allocates %v times", n)
	}
}
