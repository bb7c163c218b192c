package ag_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	"github.com/lowrank/lowrank/kernels"
)

// kept returns a matrix in a format, and its values.
func kept(t *testing.T, rows, cols int, d kernels.Dtype) (*kernels.Stored, []float32) {
	s, err := kernels.Quantize(d, rows, cols, agtest.Random(rows, cols, 3).Floats())
	if err != nil {
		t.Fatal(err)
	}
	return s, ag.Values{Stored: s}.All()
}

var formats = []kernels.Dtype{kernels.BF16, kernels.F16, kernels.Int8, kernels.NF4}

// A matrix in fewer bits computes what its values do, bit for bit, and stays in
// them where a part of it is enough.
func TestStored(t *testing.T) {
	const out, in, m = 33, 17, 5
	for _, d := range formats {
		h, x := kept(t, out, in, d)
		tape, rows := ag.NewTape(), agtest.Random(m, in, 1)
		w, full := ag.NewWeightOf(out, in, ag.Values{Stored: h}), ag.NewWeight(out, in, x)
		for i, f := range []func(*ag.Weight) ag.Tensor{
			func(w *ag.Weight) ag.Tensor { return tape.Run(ag.NewFrozenLinear(rows, w)) },
			func(w *ag.Weight) ag.Tensor { return ag.NewVariable(out, in, w.Floats()) },
		} {
			if got, want := ag.Floats(f(w)), ag.Floats(f(full)); !slices.Equal(got, want) {
				t.Errorf("%v, use %d of a weight: differs from its float32", d, i)
			}
		}

		v := ag.NewVariableOf(out, in, ag.Values{Stored: h})
		y := tape.Run(ag.NewEmbedding(v, []int32{3, 0, out - 1}))
		if want := slices.Concat(x[3*in:4*in], x[:in], x[(out-1)*in:]); !slices.Equal(ag.Floats(y), want) {
			t.Errorf("%v: rows of a table differ from its float32", d)
		}
		part := make([]float32, 7)
		if v.CopyTo(part, 5); !slices.Equal(part, x[5:12]) {
			t.Errorf("%v: a part is %v, want %v", d, part, x[5:12])
		}
		if v.Values().Stored != h || v.Size() != out*in || !slices.Equal(v.Shape(), []int{out, in}) {
			t.Errorf("%v: looked at, it has become %v of shape %v", d, v.Size(), v.Shape())
		}
	}
}

// Asked for as float32, also by several at once, it has its values and is
// trained as any other.
func TestStoredDecoded(t *testing.T) {
	const rows, cols = 7, 9
	h, x := kept(t, rows, cols, kernels.BF16)
	v := ag.NewVariableOf(rows, cols, ag.Values{Stored: h})
	v.SetRequiresGrad(true)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { v.Floats() })
	}
	all.Wait()
	if !slices.Equal(v.Floats(), x) || v.Values().Stored != nil || !v.RequiresGrad() {
		t.Errorf("the values are equal %t, stored %t, trained %t", slices.Equal(v.Floats(), x), v.Values().Stored != nil, v.RequiresGrad())
	}
	tape := ag.NewTape()
	if err := tape.Backward(tape.Run(ag.NewWeightedMean(v, x))); err != nil || len(v.GradFloats()) != rows*cols {
		t.Errorf("the gradient has %d values, %v", len(v.GradFloats()), err)
	}
	if err := ag.Guard(func() { ag.NewVariableOf(2, 2, ag.Values{Stored: h}) }); err == nil {
		t.Error("63 values make a 2×2 matrix")
	}
}
