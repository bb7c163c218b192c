package ag_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	"github.com/lowrank/lowrank/kernels"
)

// The loss of logits that are made tile by tile, and its gradients, are those of
// logits that are there in whole, bit for bit, in the first pass and in those that
// follow, whatever the weight is kept in and whichever targets are ignored; and the
// logits are there for who asks.
func TestTiledLoss(t *testing.T) {
	const m, in, classes = 300, 6, 8200 // three tiles
	targets := make([]int32, m)
	passes := []func(row int) bool{ // which rows count
		func(row int) bool { return row > 0 },
		func(row int) bool { return row%7 == 3 },                    // the hidden tokens of a masked language model
		func(row int) bool { return row%100 >= 40 && row%100 < 85 }, // answers behind prompts, before padding
		func(int) bool { return false },
		func(int) bool { return true },
	}
	s, _ := kept(t, classes, in, kernels.BF16)
	packed := ag.NewWeight(classes, in, agtest.Random(classes, in, 1).Floats())
	for name, c := range map[string]struct {
		w    *ag.Weight
		bias ag.Tensor
	}{
		"packed":   {packed, nil},
		"biased":   {packed, frozen(agtest.Random(1, classes, 3))},
		"streamed": {ag.NewStreamedWeight(classes, in, ag.Values{Stored: s}), nil},
	} {
		w, bias := c.w, c.bias
		x := agtest.Random(m, in, 2)
		x.SetRequiresGrad(true)
		// A graph whose logits are read in whole, by Scale, or not.
		graph := func(whole bool) (*ag.Tape, ag.Tensor, ag.Tensor, *ag.CrossEntropy) {
			tape := ag.NewTape()
			h := tape.Run(ag.NewScale(x, 0.75))
			z := tape.Run(ag.NewFrozenLinear(h, w).AddBias(bias))
			logits := z
			if whole {
				logits = tape.Run(ag.NewScale(z, 1))
			}
			f := ag.NewCrossEntropy(logits, targets)
			f.SetDivisor(7)
			loss := tape.Run(f)
			return tape, z, tape.Run(ag.NewSum([]float32{1, 0.5}, loss, tape.Run(ag.NewWeightedMean(h, make([]float32, m*in))))), f
		}
		draw := func(counts func(row int) bool) {
			for i := range targets {
				if targets[i] = -100; counts(i) {
					targets[i] = int32(i * i % classes)
				}
			}
		}
		draw(passes[0])
		plain, _, want, all := graph(true)
		tiled, z, got, some := graph(false)
		if plain.Bytes()-tiled.Bytes() < 4*m*classes {
			t.Errorf("%s: the tape has %d bytes, with logits %d", name, tiled.Bytes(), plain.Bytes())
		}
		for pass, counts := range passes {
			if pass > 0 {
				x.Floats()[0]++
				draw(counts)
				plain.Replay()
				tiled.Replay()
			}
			gradient := func(tape *ag.Tape, root ag.Tensor) []float32 {
				x.ZeroGrad()
				if err := tape.Backward(root); err != nil {
					t.Fatal(err)
				}
				return slices.Clone(x.GradFloats())
			}
			if !slices.Equal(gradient(tiled, got), gradient(plain, want)) || !slices.Equal(ag.Floats(got), ag.Floats(want)) || !slices.Equal(some.Losses(), all.Losses()) {
				t.Errorf("%s, pass %d: the loss or the gradient differs", name, pass)
			}
		}
		least := math.Inf(1)
		for range 4 { // buffers that lent themselves to fewer rows grow first
			least = min(least, testing.AllocsPerRun(2, func() { tiled.Replay() }))
		}
		if least > 0 {
			t.Errorf("%s: %v allocations a pass", name, least)
		}
		if y := ag.Floats(ag.NewTape().Run(ag.NewFrozenLinear(ag.NewVariable(m, in, scaled(x, 0.75)), w).AddBias(bias))); !slices.Equal(ag.Floats(z), y) {
			t.Errorf("%s: the logits that are asked for differ", name)
		}
	}
}

func scaled(x *ag.Variable, s float32) []float32 {
	y := slices.Clone(x.Floats())
	kernels.Scale(s, y)
	return y
}

// Rows whose targets are ignored are not computed: what they hold reaches nothing,
// not even a gradient that is not finite.
func TestTiledLossLeavesOut(t *testing.T) {
	const m, in, classes = 9, 4, 40
	w := ag.NewWeight(classes, in, agtest.Random(classes, in, 1).Floats())
	x := agtest.Random(m, in, 2)
	targets := make([]int32, m)
	for row := range m {
		if row%3 > 0 {
			targets[row] = -1
			x.Floats()[row*in] = float32(math.NaN())
		}
	}
	tape := ag.NewTape()
	loss := tape.Run(ag.NewCrossEntropy(tape.Run(ag.NewFrozenLinear(x, w)), targets))
	if err := tape.Backward(loss); err != nil {
		t.Fatal(err)
	}
	for row := range m {
		for _, g := range x.GradFloats()[row*in:][:in] {
			if g != g || (g != 0) != (row%3 == 0) {
				t.Errorf("row %d: a gradient of %v", row, g)
			}
		}
	}
}

// Of logits that are no more than the input's features nothing is saved by tiles: they
// are kept, and the gradient finds them.
func TestFewLogitsAreKept(t *testing.T) {
	for classes, want := range map[int]int{4: 4 * 9 * 4, 5: 0} {
		w, tape := ag.NewWeight(classes, 4, agtest.Random(classes, 4, 1).Floats()), ag.NewTape()
		z := tape.Run(ag.NewFrozenLinear(agtest.Random(9, 4, 2), w))
		want += 4 * (1 + 9) // the loss, and each row's
		if tape.Run(ag.NewCrossEntropy(z, make([]int32, 9))); tape.Bytes() != want {
			t.Errorf("%d classes: %d bytes, want %d", classes, tape.Bytes(), want)
		}
	}
}

// An output that is postponed is made when it is asked for, of what its input then
// is, and once in a pass.
func TestPostpone(t *testing.T) {
	const m, in, out = 5, 3, 70
	w := ag.NewWeight(out, in, agtest.Random(out, in, 1).Floats())
	x, tape := agtest.Random(m, in, 2), ag.NewTape()
	y := tape.Run(ag.NewFrozenLinear(x, w).Postpone())
	if n := tape.Bytes(); n > 0 {
		t.Errorf("%d bytes before anyone asks", n)
	}
	for range 3 {
		want := ag.Floats(ag.NewTape().Run(ag.NewFrozenLinear(x, w)))
		if got := ag.Floats(y); !slices.Equal(got, want) {
			t.Error("the values differ")
		}
		x.Floats()[0]++
		tape.Replay()
	}
	ag.Floats(y)[0] = 7
	if ag.Floats(y)[0] != 7 {
		t.Error("it is made twice")
	}
}

// A bias that is trained has its gradient, for which logits are there in whole.
func TestTrainedBiasOfManyLogits(t *testing.T) {
	const m, in, classes = 300, 24, 9000
	targets := make([]int32, m)
	w := ag.NewWeight(classes, in, agtest.Random(classes, in, 1).Floats())
	gradient := func(whole bool) []float32 {
		bias, tape := agtest.Random(1, classes, 3), ag.NewTape()
		z := tape.Run(ag.NewFrozenLinear(agtest.Random(m, in, 2), w).AddBias(bias))
		if whole {
			z = tape.Run(ag.NewScale(z, 1))
		}
		if err := tape.Backward(tape.Run(ag.NewCrossEntropy(z, targets))); err != nil {
			t.Fatal(err)
		}
		return bias.GradFloats()
	}
	if got, want := gradient(false), gradient(true); len(got) != classes || !slices.Equal(got, want) {
		t.Errorf("a gradient of %d values, beside one of %d that differs", len(got), len(want))
	}
}
