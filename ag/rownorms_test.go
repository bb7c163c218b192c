package ag_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// Norms make no packed form, have the same bits of one that is there, and follow
// values that are set.
func TestRowNormsOfWeight(t *testing.T) {
	const in, out, r = 50, 37, 3
	a, b := agtest.Random(r, in, 1), agtest.Random(out, r, 2)
	norms := func(w *ag.Weight) []float32 {
		return slices.Clone(ag.Floats(ag.NewTape().Run(ag.NewRowNorms(w, a, b, 0.5))))
	}
	first, second := agtest.Random(out, in, 3).Floats(), agtest.Random(out, in, 4).Floats()
	w := ag.NewWeight(out, in, first)
	plain := norms(w)
	if n := w.Packed(); n != 0 {
		t.Errorf("%d values were packed", n)
	}
	w.Forward()
	if !slices.Equal(norms(w), plain) {
		t.Error("a packed weight has other norms")
	}
	w.Set(ag.Values{Floats: second})
	if want := norms(ag.NewWeight(out, in, second)); !slices.Equal(norms(w), want) || slices.Equal(want, plain) {
		t.Error("the norms are those of the values before")
	}
}
