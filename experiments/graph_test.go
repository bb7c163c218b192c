package experiments

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

// adapted returns a copy of the tiny model whose adapters have done something.
func adapted(t *testing.T) (nn.Model, *lora.Set) {
	t.Helper()
	model := tinySetting(t).Base.Clone()
	method, err := lora.Row("lora-gaussian")
	if err != nil {
		t.Fatal(err)
	}
	set, err := lora.Inject(model, method, lora.Options{Rank: 4, Alpha: 8, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	rng := data.Stream(6, "B")
	for _, m := range set.Maps {
		for i := range m.Factor("B").Floats() {
			m.Factor("B").Floats()[i] = float32(0.1 * rng.NormFloat64())
		}
	}
	return model, set
}

// gradientOf returns all gradients of the batch, taken so many rows at a time.
func gradientOf(t *testing.T, all *data.Batch, rows int) []float64 {
	t.Helper()
	model, set := adapted(t)
	g, err := newGraph(model, byteBatch(rows, all.Tokens), all.Rows/rows)
	if err != nil {
		t.Fatal(err)
	}
	g.share(len(all.IDs))
	for at := 0; at < len(all.IDs); at += rows * all.Tokens {
		copy(g.input.IDs, all.IDs[at:])
		copy(g.labels.Classes, all.Targets[at:])
		forward(t, g)
		if err := g.backward(); err != nil {
			t.Fatal(err)
		}
	}
	var gradient []float64
	for _, m := range set.Maps {
		for _, f := range m.Factors {
			for _, x := range f.GradFloats() {
				gradient = append(gradient, float64(x))
			}
		}
	}
	return gradient
}

// meanOf is the loss on windows of a text.
func meanOf(t *testing.T, g *graph, text []byte, batches int) float64 {
	t.Helper()
	s, err := g.evaluate(t.Context(), byteExam("", text), batches)
	if err != nil {
		t.Fatal(err)
	}
	return s.mean()
}

// A batch has the same gradient however it is split into passes.
func TestAnySplitOfABatch(t *testing.T) {
	all := data.NewBatch(8, 16)
	all.Draw(tinySetting(t).Adapt.Train, 1, "split", 0)
	want := gradientOf(t, all, 8)
	for _, rows := range []int{1, 2, 4} {
		have := gradientOf(t, all, rows)
		var distance, norm float64
		for i := range want {
			distance += (have[i] - want[i]) * (have[i] - want[i])
			norm += want[i] * want[i]
		}
		// The sums over 128 tokens are taken in another order in float32: each
		// addition is off by 2⁻²⁴ of the partial sum, together by √128 of that
		// or less, and some layers stand in between.
		if relative := math.Sqrt(distance / norm); norm == 0 || relative > 1e-5 {
			t.Errorf("%d rows at a time: the gradient is off by %.2g of its norm %.2g", rows, relative, math.Sqrt(norm))
		}
	}
}

// A row's losses do not know of the other rows: bit for bit.
func TestARowStandsAlone(t *testing.T) {
	model, _ := adapted(t)
	all, err := newGraph(model, byteBatch(16, 16), 1)
	if err != nil {
		t.Fatal(err)
	}
	all.bytes().Draw(tinySetting(t).Adapt.Train, 1, "rows", 0)
	forward(t, all)
	want := slices.Clone(all.classes.Losses())
	for _, rows := range []int{1, 3, 5} {
		some, err := newGraph(model, byteBatch(rows, 16), 1)
		if err != nil {
			t.Fatal(err)
		}
		for row := 0; row+rows <= 16; row++ {
			copy(some.input.IDs, all.input.IDs[row*16:])
			copy(some.labels.Classes, all.labels.Classes[row*16:])
			forward(t, some)
			if have := some.classes.Losses(); !slices.Equal(have, want[row*16:(row+rows)*16]) {
				t.Errorf("rows %d to %d alone: have losses %v, want %v", row, row+rows-1, have, want[row*16:(row+rows)*16])
			}
		}
	}
}

// The mean loss does not depend on how the windows are batched, but for the
// order of a sum in float64.
func TestEvaluateWhateverTheBatch(t *testing.T) {
	s := tinySetting(t)
	model, _ := adapted(t)
	var want float64
	for i, rows := range []int{12, 1, 4} {
		g, err := newGraph(model, byteBatch(rows, 16), 1)
		if err != nil {
			t.Fatal(err)
		}
		have := meanOf(t, g, s.Adapt.HeldOut, 12/rows)
		if i == 0 {
			want = have
		}
		if math.Abs(have-want) > 1e-12*want {
			t.Errorf("%d rows at a time: have %v, want %v", rows, have, want)
		}
	}
}
