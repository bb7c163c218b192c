package ag_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	"github.com/lowrank/lowrank/kernels"
)

// A weight that is packed in every product anew gives the bits of one that is
// packed once, outputs and gradients, whatever it is kept in.
func TestStreamed(t *testing.T) {
	const in, out = 401, 1201 // more columns than are packed at once
	run := everyUse(t, in, out)
	for d := kernels.F32; d <= kernels.NF4; d++ {
		s, _ := kept(t, out, in, d)
		values := ag.Values{Stored: s}
		same(t, d, run(ag.NewStreamedWeight(out, in, values)), run(ag.NewWeightOf(out, in, values)))
	}
}

// A weight plus a product has the bits of one of its values in float32, which are
// those of the two matrices.
func TestStreamedPlus(t *testing.T) {
	const in, out, r = 401, 1201, 5
	run := everyUse(t, in, out)
	a, b := agtest.Random(r, in, 7), agtest.Random(r, out, 8)
	for d := kernels.F32; d <= kernels.NF4; d++ {
		s, decoded := kept(t, out, in, d)
		w := ag.NewStreamedWeight(out, in, ag.Values{Stored: s}).Plus(r, a.Floats(), b.Floats())
		for i, got := range w.Floats() {
			want, size := float64(decoded[i]), math.Abs(float64(decoded[i]))
			for k := range r {
				x := float64(b.Floats()[k*out+i/in]) * float64(a.Floats()[k*in+i%in])
				want, size = want+x, size+math.Abs(x)
			}
			if math.Abs(float64(got)-want) > (r+1)*0x1p-24*size { // a rounding a term
				t.Fatalf("%v: value %d is %v, want %v", d, i, got, want)
			}
		}
		same(t, d, run(w), run(ag.NewWeight(out, in, w.Floats())))
		w.SetProduct(0, nil, nil)
		same(t, d, run(w), run(ag.NewWeight(out, in, decoded)))
	}
}

func same(t *testing.T, d kernels.Dtype, got, want [][]float32) {
	t.Helper()
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("%v: tensor %d differs", d, i)
		}
	}
}

// everyUse returns a function that gives the outputs of the operators that a weight
// may have, and the gradients of what else they read.
func everyUse(t *testing.T, in, out int) func(w *ag.Weight) [][]float32 {
	const m, r = 7, 4
	x, a, b := agtest.Random(m, in, 1), agtest.Random(r, in, 2), agtest.Random(out, r, 3)
	gates, bias := agtest.Random(m, 2, 4), agtest.Random(1, out, 5)
	leaves := []*ag.Variable{x, a, b, gates, bias}
	for _, v := range leaves {
		v.SetRequiresGrad(true)
	}
	return func(w *ag.Weight) (all [][]float32) {
		tape := ag.NewTape()
		norms := tape.Run(ag.NewRowNorms(w, a, b, 0.5))
		terms := []ag.Tensor{
			tape.Run(ag.NewFrozenLinear(x, w).AddBias(bias)),
			tape.Run(ag.NewLowRankLinear(x, w, a, b, 0.75, nil).AddBias(bias)),
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
}

// A step of streamed weights allocates nothing after the first.
func TestStreamedAllocations(t *testing.T) {
	const m, in, out, r = 5, 64, 300, 2
	s, _ := kept(t, out, in, kernels.NF4)
	x := agtest.Random(m, in, 1)
	x.SetRequiresGrad(true)
	tape := ag.NewTape()
	w := ag.NewStreamedWeight(out, in, ag.Values{Stored: s})
	plus := w.Plus(r, agtest.Random(r, in, 2).Floats(), agtest.Random(r, out, 3).Floats())
	sum := tape.Run(ag.NewAdd(tape.Run(ag.NewFrozenLinear(x, w)), tape.Run(ag.NewFrozenLinear(x, plus))))
	y := tape.Run(ag.NewMeanSquare(sum, make([]float32, m*out)))
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

// The input gradient of many rows, for which the weight is packed anew from its other
// form, has the bits of that of each few, for which it is packed for good: but for the
// mean, of which a 16th is as exact.
func TestInputGradOfManyRows(t *testing.T) {
	const m, part, in, out, r = 800, 50, 401, 331, 3
	x, targets := agtest.Random(m, in, 1).Floats(), agtest.Random(m, out, 2).Floats()
	a, b := agtest.Random(r, in, 3), agtest.Random(out, r, 4)
	weight := agtest.Random(out, in, 5).Floats()
	grad := func(w *ag.Weight, from, to int) []float32 {
		rows := ag.NewVariable(to-from, in, x[from*in:to*in])
		rows.SetRequiresGrad(true)
		tape := ag.NewTape()
		y := tape.Run(ag.NewLowRankLinear(rows, w, a, b, 0.5, nil))
		if err := tape.Backward(tape.Run(ag.NewMeanSquare(y, targets[from*out:to*out]))); err != nil {
			t.Fatal(err)
		}
		return rows.GradFloats()
	}
	got, few := grad(ag.NewWeight(out, in, weight), 0, m), ag.NewWeight(out, in, weight)
	for from := 0; from < m; from += part {
		for i, want := range grad(few, from, from+part) {
			if got := got[from*in+i] * (m / part); got != want {
				t.Fatalf("row %d: %v, want %v", from+i/in, got, want)
			}
		}
	}
}
