package initial_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

// After one round the base is W0 in NF4 and the product the best approximation of
// what that lost, for any s; in PEFT's form for s = 1 alone.
func TestQuantized(t *testing.T) {
	for _, shape := range shapes {
		for _, double := range []bool{false, true} {
			m, _ := adapted(t, shape, initial.Quantized{Rounds: 1, Double: double})
			q := append([]float32(nil), m.W0()...)
			if double {
				packed, err := kernels.QuantizeNF4(m.Out, m.In, q, m.In)
				if err != nil {
					t.Fatal(err)
				}
				kernels.DecodeNF4(packed, q, m.In)
			} else if err := kernels.RoundNF4(q); err != nil {
				t.Fatal(err)
			}
			equal(t, "the base", dense(m.Out, m.In, m.Base.Floats()), dense(m.Out, m.In, q))
			lost := minus(dense(m.Out, m.In, m.W0()), dense(m.Out, m.In, q))
			u, s, v := decomposed(lost)
			a, b := factors(m)
			equal(t, "s·B·A", scaled(float64(m.Scaling), product(b, a)), truncated(u, s, v, 0, rank))
			peft, _ := adapted(t, shape, initial.Quantized{Rounds: 1, Double: double, PEFT: true})
			a, b = factors(peft)
			equal(t, "B·A of PEFT", product(b, a), truncated(u, s, v, 0, rank))
		}
	}
}

// With the factors the weight is nearer to W0 than without, in five rounds nearer
// than in one, and each entry of the base is a rounded one.
func TestQuantizedRounds(t *testing.T) {
	off := func(rounds int) float64 {
		m, _ := adapted(t, shapes[0], initial.Quantized{Rounds: rounds})
		base := append([]float32(nil), m.Base.Floats()...)
		if err := kernels.RoundNF4(base); err != nil {
			t.Fatal(err)
		}
		for i, v := range base {
			if v != m.Base.Floats()[i] {
				t.Fatalf("the base has %v, which is rounded to %v", m.Base.Floats()[i], v)
			}
		}
		return mat.Norm(changed(t, m), 2)
	}
	q, _ := adapted(t, shapes[0], initial.Quantized{Rounds: 1})
	lost := mat.Norm(minus(dense(q.Out, q.In, q.Base.Floats()), dense(q.Out, q.In, q.W0())), 2)
	if one, five := off(1), off(5); !(five < one && one < lost) || math.IsNaN(five) {
		t.Errorf("W' is off by %v after one round and %v after five, without factors by %v", one, five, lost)
	}
}
