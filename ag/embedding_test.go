package ag_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// Ids that a function of the tape writes are read anew in each replay, checked
// there, and also gather rows of an operator's output.
func TestEmbeddingOfWrittenIDs(t *testing.T) {
	x := agtest.Random(3, 2, 1)
	first := int32(0)
	tape := ag.NewTape()
	doubled := tape.Run(ag.NewScale(x, 2))
	ids := make([]int32, 3)
	tape.Do(func() { copy(ids, []int32{first, 2, 2}) })
	rows := tape.Run(ag.NewEmbedding(doubled, ids))
	loss := tape.Run(ag.NewWeightedMean(rows, []float32{1, 2, 3, 4, 5, 6}))
	for first = range 2 {
		tape.Replay()
		want := slices.Concat(ag.Floats(doubled)[2*first:][:2], ag.Floats(doubled)[4:], ag.Floats(doubled)[4:])
		if !slices.Equal(ag.Floats(rows), want) {
			t.Errorf("the rows of %d, 2 and 2 are %v, want %v", first, ag.Floats(rows), want)
		}
		x.ZeroGrad()
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		grad := make([]float32, 6)
		copy(grad[2*first:], []float32{2. / 6, 4. / 6})
		for i, w := range []float32{16. / 6, 20. / 6} {
			grad[4+i] = w
		}
		for e, g := range x.GradFloats() {
			if d := g - grad[e]; d > 1e-6 || d < -1e-6 { // a few units of rounding
				t.Errorf("id %d: the gradient is %v, want %v", first, x.GradFloats(), grad)
				break
			}
		}
	}
	first = 3
	err := ag.Guard(tape.Replay)
	if want := "ag: Embedding: id 3 of token 0, the table is 3×2: ids must be in 0..2"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

func TestLookup(t *testing.T) {
	a := agtest.Random(2, 3, 1)
	ids := []int32{0}
	tape := ag.NewTape()
	y := tape.Run(ag.NewLookup(a, ids, 1))
	ids[0] = 2
	tape.Replay()
	if want := []float32{a.Floats()[2], a.Floats()[5]}; !slices.Equal(ag.Floats(y), want) {
		t.Errorf("column 2 is %v, want %v", ag.Floats(y), want)
	}
	ids[0] = 3
	err := ag.Guard(tape.Replay)
	if want := "ag: Lookup: id 3 of token 0, a is 2×3: ids must be in 0..2"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

// The rows of a padding get no gradient; the others get what they get without.
func TestExcept(t *testing.T) {
	ids, weights := []int32{0, 2, 1, 2}, []float32{1, 2, 3, 4, 5, 6, 7, 8}
	grad := func(x *ag.Variable, f ag.Function) []float32 {
		tape := ag.NewTape()
		if err := tape.Backward(tape.Run(ag.NewWeightedMean(tape.Run(f), weights))); err != nil {
			t.Fatal(err)
		}
		return x.GradFloats()
	}
	rows, some := agtest.Random(3, 2, 1), agtest.Random(3, 2, 1)
	all, but := grad(rows, ag.NewEmbedding(rows, ids)), grad(some, ag.NewEmbedding(some, ids).Except([]int32{2}))
	if want := append(slices.Clone(all[:4]), 0, 0); !slices.Equal(but, want) {
		t.Errorf("the gradient of the table is %v, want %v", but, want)
	}
	columns, fewer := agtest.Random(2, 3, 1), agtest.Random(2, 3, 1)
	all, but = grad(columns, ag.NewLookup(columns, ids, 1)), grad(fewer, ag.NewLookup(fewer, ids, 1).Except([]int32{2}))
	if want := []float32{all[0], all[1], 0, all[3], all[4], 0}; !slices.Equal(but, want) {
		t.Errorf("the gradient of the columns is %v, want %v", but, want)
	}
}
