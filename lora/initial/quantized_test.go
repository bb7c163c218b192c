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
			round := kernels.QuantizeNF4Once
			if double {
				round = kernels.QuantizeNF4
			}
			packed, err := round(m.Out, m.In, q, m.In)
			if err != nil {
				t.Fatal(err)
			}
			kernels.DecodeNF4(packed, q, m.In)
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

// Of 8-bit integers: each row of the base stands on multiples of a 127th of its
// largest entry, no entry further from where it was than half of one, and the product
// is the best approximation of what that lost; of several rounds the last. In PEFT's
// form the same holds of the weight in float16, with B·A in the place of s·B·A.
func TestQuantizedInt8(t *testing.T) {
	for _, shape := range shapes {
		for _, rounds := range []int{1, 3} {
			for _, peft := range []bool{false, true} {
				init := initial.Quantized{Rounds: rounds, Int8: true, PEFT: peft}
				m, _ := adapted(t, shape, init)
				by := float64(m.Scaling)
				if peft {
					by = 1
				}
				from := dense(m.Out, m.In, m.W0()) // what was rounded last
				if rounds > 1 {
					before, _ := adapted(t, shape, initial.Quantized{Rounds: rounds - 1, Int8: true, PEFT: peft})
					a, b := factors(before)
					from.Sub(from, scaled(by, product(b, a)))
				}
				base := dense(m.Out, m.In, m.Base.Floats())
				for i := range m.Out {
					row, largest := from.RawRowView(i), 0.0
					for _, v := range row {
						largest = max(largest, math.Abs(v))
					}
					level, slack := largest/127, 1e-5 // roundings of float32
					if peft {
						slack = 127 * math.Ldexp(1, -11) // of float16, in 127ths
					}
					for j, v := range row {
						have := base.At(i, j) / level
						if math.Abs(have-math.Round(have)) > slack || math.Abs(have-v/level) > 0.5+slack {
							t.Fatalf("%v %+v: entry %d, %d is %v levels, was %v", shape, init, i, j, have, v/level)
						}
					}
				}
				u, s, v := decomposed(minus(dense(m.Out, m.In, m.W0()), base))
				a, b := factors(m)
				equal(t, "the product", scaled(by, product(b, a)), truncated(u, s, v, 0, rank))
			}
		}
	}
	one, _ := adapted(t, shapes[0], initial.Quantized{Rounds: 1, Int8: true})
	half, _ := adapted(t, shapes[0], initial.Quantized{Rounds: 1, Int8: true, PEFT: true})
	if mat.Equal(dense(one.Out, one.In, one.Base.Floats()), dense(half.Out, half.In, half.Base.Floats())) {
		t.Error("PEFT's float16 makes no difference")
	}
}

// With the factors the weight is nearer to W0 than without, in five rounds nearer
// than in one, and each entry of the base is a rounded one.
func TestQuantizedRounds(t *testing.T) {
	off := func(rounds int) float64 {
		m, _ := adapted(t, shapes[0], initial.Quantized{Rounds: rounds})
		packed, err := kernels.QuantizeNF4Once(m.Out, m.In, m.Base.Floats(), m.In)
		if err != nil {
			t.Fatal(err)
		}
		base := make([]float32, m.Out*m.In)
		kernels.DecodeNF4(packed, base, m.In)
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
