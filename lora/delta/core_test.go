package delta_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
)

// started returns a map with the core that Start gives it, from random A and B
// that prepare may change.
func started(t *testing.T, d delta.Core, rank int, prepare func(m *adapter.Map)) *adapter.Map {
	t.Helper()
	m := adapted(t, d, 9, 11, rank)
	for _, f := range m.Factors {
		if f.Name != "A" && f.Name != "B" {
			clear(f.Floats())
		}
	}
	prepare(m)
	if err := d.Start([]*adapter.Map{m}, rand.New(rand.NewPCG(3, 4))); err != nil {
		t.Fatal(err)
	}
	return m
}

func noB(m *adapter.Map) { clear(m.Factor("B").Floats()) }

// With the identity between them A and B are plain LoRA's, and in general W' is
// the sum that the equation says.
func TestCore(t *testing.T) {
	for _, d := range []delta.Core{{}, {CoreOnly: true}, {Inner: 2}} {
		m := adapted(t, d, 5, 7, 3)
		core := make([]float64, 9)
		if d.Inner == 0 {
			for i, v := range m.Factor("R").Floats() {
				core[i] = float64(v)
			}
		} else {
			q, p := m.Factor("Q").Floats(), m.Factor("P").Floats()
			for i := range 3 {
				for j := range 3 {
					for k := range 2 {
						core[i*3+j] += float64(q[i*2+k]) * float64(p[k*3+j])
					}
				}
			}
		}
		a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
		got := merged(t, m)
		for i := range 5 {
			for j := range 7 {
				want := float64(m.W0()[i*7+j])
				for k := range 3 {
					for l := range 3 {
						want += float64(m.Scaling) * float64(b[i*3+k]) * core[k*3+l] * float64(a[l*7+j])
					}
				}
				if math.Abs(float64(got[i*7+j])-want) > 1e-5*(1+math.Abs(want)) { // float32 sums of 9 products
					t.Errorf("%+v: W'[%d, %d] is %v, want %v", d, i, j, got[i*7+j], want)
				}
			}
		}
	}
}

func TestCoreStart(t *testing.T) {
	const n = 40
	kaiming := started(t, delta.Core{}, n, noB).Factor("R").Floats()
	squares, largest := 0.0, float32(0)
	for _, v := range kaiming {
		squares += float64(v) * float64(v)
		largest = max(largest, v, -v)
	}
	// Uniform within ±1/√n: the variance is 1/(3n), that of its mean over n² squares
	// (9/5−1)/n² of its square; four standard errors.
	if want := 1 / (3.0 * n); math.Abs(squares/(n*n)/want-1) > 4*math.Sqrt(0.8)/n || float64(largest) > 1/math.Sqrt(n) {
		t.Errorf("the mean square of a Kaiming core is %v, want %v; the largest is %v", squares/(n*n), want, largest)
	}
	q := started(t, delta.Core{Orthogonal: true}, n, noB).Factor("R").Floats()
	if off := gram(q, n, n, false); off > 1e-5 { // n² roundings of float32
		t.Errorf("‖R·Rᵀ − I‖ is %v", off)
	}
	small := started(t, delta.Core{CoreOnly: true, Std: 1e-5}, n, func(*adapter.Map) {}).Factor("R").Floats()
	squares = 0
	for _, v := range small {
		squares += float64(v) * float64(v)
	}
	if got := math.Sqrt(squares) / n; math.Abs(got/1e-5-1) > 4/math.Sqrt(2*n*n) {
		t.Errorf("the deviation of the core about zero is %v, want 1e-5", got)
	}
	identity := started(t, delta.Core{}, 2, func(m *adapter.Map) { m.Offset() })
	if r := identity.Factor("R").Floats(); !slices.Equal(r, []float32{1, 0, 0, 1}) {
		t.Errorf("R is %v where the product was taken out of the base", r)
	}
	kept := started(t, delta.Core{}, 2, func(m *adapter.Map) { m.Factor("R").Floats()[1] = 3 })
	if r := kept.Factor("R").Floats(); !slices.Equal(r, []float32{0, 3, 0, 0}) {
		t.Errorf("R is %v where an initializer had filled it", r)
	}
	inner := started(t, delta.Core{Inner: 2}, 3, func(*adapter.Map) {})
	if !slices.Equal(inner.Factor("Q").Floats(), make([]float32, 6)) || slices.Contains(inner.Factor("P").Floats(), 0) {
		t.Errorf("Q is %v and P %v: Q must be zero and P not", inner.Factor("Q").Floats(), inner.Factor("P").Floats())
	}
}

// A core alone is not trained between factors of which one is zero.
func TestCoreAloneNeedsFactors(t *testing.T) {
	if needs := (delta.Core{CoreOnly: true}).Needs(); !slices.Contains(needs, adapter.Filled) {
		t.Errorf("the core alone needs %v", needs)
	}
	if slices.Contains(initial.Kaiming{}.Provides(), adapter.Filled) || !slices.Contains(initial.SVD{}.Provides(), adapter.Filled) {
		t.Error("Kaiming's start says that it fills B, or PiSSA's that it does not")
	}
}
