package ag_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	"github.com/lowrank/lowrank/kernels"
)

// halves returns a matrix in 16 bits, and its values.
func halves(rows, cols int, f16 bool) (*ag.Half, []float32) {
	x := agtest.Random(rows, cols, 3).Floats()
	h := &ag.Half{Bits: make([]uint16, len(x)), F16: f16}
	if f16 {
		kernels.EncodeF16(h.Bits, x)
		kernels.DecodeF16(x, h.Bits)
	} else {
		kernels.EncodeBF16(h.Bits, x)
		kernels.DecodeBF16(x, h.Bits)
	}
	return h, x
}

// A matrix in 16 bits computes what its values do, bit for bit, and stays in
// them where a part of it is enough.
func TestHalf(t *testing.T) {
	const out, in, m = 33, 17, 5
	for _, f16 := range []bool{false, true} {
		h, x := halves(out, in, f16)
		tape, rows := ag.NewTape(), agtest.Random(m, in, 1)
		w, full := ag.NewWeightOf(out, in, ag.Values{Half: h}), ag.NewWeight(out, in, x)
		for i, f := range []func(*ag.Weight) ag.Tensor{
			func(w *ag.Weight) ag.Tensor { return tape.Run(ag.NewFrozenLinear(rows, w)) },
			func(w *ag.Weight) ag.Tensor { return ag.NewVariable(out, in, w.Floats()) },
		} {
			if got, want := ag.Floats(f(w)), ag.Floats(f(full)); !slices.Equal(got, want) {
				t.Errorf("f16 %t, use %d of a weight: differs from its float32", f16, i)
			}
		}

		v := ag.NewVariableOf(out, in, ag.Values{Half: h})
		y := tape.Run(ag.NewEmbedding(v, []int32{3, 0, out - 1}))
		if want := slices.Concat(x[3*in:4*in], x[:in], x[(out-1)*in:]); !slices.Equal(ag.Floats(y), want) {
			t.Errorf("f16 %t: rows of a table differ from its float32", f16)
		}
		part := make([]float32, 7)
		if v.CopyTo(part, 5); !slices.Equal(part, x[5:12]) {
			t.Errorf("f16 %t: a part is %v, want %v", f16, part, x[5:12])
		}
		if v.Values().Half != h || v.Size() != out*in || !slices.Equal(v.Shape(), []int{out, in}) {
			t.Errorf("f16 %t: looked at, it has become %v of shape %v", f16, v.Size(), v.Shape())
		}
	}
}

// Asked for as float32, also by several at once, it has its values and is
// trained as any other.
func TestHalfDecoded(t *testing.T) {
	const rows, cols = 7, 9
	h, x := halves(rows, cols, false)
	v := ag.NewVariableOf(rows, cols, ag.Values{Half: h})
	v.SetRequiresGrad(true)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { v.Floats() })
	}
	all.Wait()
	if !slices.Equal(v.Floats(), x) || v.Values().Half != nil || !v.RequiresGrad() {
		t.Errorf("the values are equal %t, a half %t, trained %t", slices.Equal(v.Floats(), x), v.Values().Half != nil, v.RequiresGrad())
	}
	tape := ag.NewTape()
	if err := tape.Backward(tape.Run(ag.NewWeightedMean(v, x))); err != nil || len(v.GradFloats()) != rows*cols {
		t.Errorf("the gradient has %d values, %v", len(v.GradFloats()), err)
	}
	if err := ag.Guard(func() { ag.NewVariableOf(2, 2, ag.Values{Half: h}) }); err == nil {
		t.Error("63 values make a 2×2 matrix")
	}
}
