package ag_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	"github.com/lowrank/lowrank/kernels"
)

// A weight that is packed in every product anew gives the bits of one that is
// packed once, outputs and gradients, whatever it is kept in.
func TestStreamed(t *testing.T) {
	const m, in, out, r = 7, 401, 1201, 4 // more columns than are packed at once
	x, a, b := agtest.Random(m, in, 1), agtest.Random(r, in, 2), agtest.Random(out, r, 3)
	gates := agtest.Random(m, 2, 4)
	leaves := []*ag.Variable{x, a, b, gates}
	for _, v := range leaves {
		v.SetRequiresGrad(true)
	}
	run := func(w *ag.Weight) (all [][]float32) {
		tape := ag.NewTape()
		norms := tape.Run(ag.NewRowNorms(w, a, b, 0.5))
		terms := []ag.Tensor{
			tape.Run(ag.NewFrozenLinear(x, w)),
			tape.Run(ag.NewLowRankLinear(x, w, a, b, 0.75, nil)),
			tape.Run(ag.NewLowRankLinear(x, w, a, b, 0.75, gates)),
		}
		attached := tape.Run(ag.NewRowNorms(w, a, b, 0.5).Attach())
		terms = append(terms, tape.Run(ag.NewScaleCols(terms[0], attached)))
		sum := terms[0]
		for _, y := range terms[1:] {
			sum = tape.Run(ag.NewAdd(sum, y))
		}
		if err := tape.Backward(tape.Run(ag.NewMeanSquare(sum, make([]float32, m*out)))); err != nil {
			t.Fatal(err)
		}
		for _, y := range append(terms, norms) {
			all = append(all, slices.Clone(ag.Floats(y)))
		}
		for _, v := range leaves {
			all = append(all, slices.Clone(v.GradFloats()))
			v.ZeroGrad()
		}
		return all
	}
	for d := kernels.F32; d <= kernels.NF4; d++ {
		s, _ := kept(t, out, in, d)
		values := ag.Values{Stored: s}
		want, got := run(ag.NewWeightOf(out, in, values)), run(ag.NewStreamedWeight(out, in, values))
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%v: tensor %d differs", d, i)
			}
		}
	}
}

// A step of streamed weights allocates nothing after the first.
func TestStreamedAllocations(t *testing.T) {
	const m, in, out = 5, 64, 300
	s, _ := kept(t, out, in, kernels.NF4)
	x := agtest.Random(m, in, 1)
	x.SetRequiresGrad(true)
	tape := ag.NewTape()
	y := tape.Run(ag.NewMeanSquare(tape.Run(ag.NewFrozenLinear(x, ag.NewStreamedWeight(out, in, ag.Values{Stored: s}))), make([]float32, m*out)))
	step := func() {
		tape.Replay()
		if err := tape.Backward(y); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(10, step); n > 0 {
		t.Errorf("%v allocations a step", n)
	}
}
