package initial_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// identity is I.
func identity(n int) mat.Matrix {
	one := make([]float64, n)
	for i := range one {
		one[i] = 1
	}
	return mat.NewDiagDense(n, one)
}

// changed is W' − W0.
func changed(t *testing.T, m *adapter.Map) *mat.Dense {
	t.Helper()
	w, err := m.Merged()
	if err != nil {
		t.Fatal(err)
	}
	return minus(dense(m.Out, m.In, w), dense(m.Out, m.In, m.W0()))
}

// LoRA-XS: s·B·A is the best approximation of W0, with B orthonormal; the base
// stays.
func TestSVDOnA(t *testing.T) {
	for _, shape := range shapes {
		m, _ := on(t, delta.Core{CoreOnly: true}, shape, initial.SVD{Split: initial.OnA, Keep: true}, 1)
		a, b := factors(m)
		u, s, v := decomposed(dense(m.Out, m.In, m.W0()))
		equal(t, "s·B·A", scaled(float64(m.Scaling), product(b, a)), truncated(u, s, v, 0, rank))
		equal(t, "Bᵀ·B", product(b.T(), b), identity(rank))
		if start, _ := m.Start(); start != nil || &m.Base.Floats()[0] != &m.W0()[0] {
			t.Error("the base was changed")
		}
	}
}

// SORSA: orthonormal A and B, the singular values over s between them, and the
// function is the base's, whichever core there is.
func TestSVDInTheMiddle(t *testing.T) {
	for _, d := range []adapter.Delta{delta.SVD{}, delta.Core{}} {
		for _, shape := range shapes {
			m, _ := on(t, d, shape, initial.SVD{Split: initial.Middle}, 1)
			a, b := factors(m)
			equal(t, "A·Aᵀ", product(a, a.T()), identity(rank))
			equal(t, "Bᵀ·B", product(b.T(), b), identity(rank))
			s := values(dense(m.Out, m.In, m.W0()))
			for k := range rank {
				var got float32
				if e := m.Factor("E"); e != nil {
					got = e.Floats()[k]
				} else {
					got = m.Factor("R").Floats()[k*rank+k]
				}
				if want := s[k] / float64(m.Scaling); math.Abs(float64(got)-want) > 1e-6*want {
					t.Errorf("core %d is %v, want %v", k, got, want)
				}
			}
			if err := d.Start([]*adapter.Map{m}, nil); err != nil {
				t.Fatal(err)
			}
			equal(t, "W' − W0", changed(t, m), mat.NewDense(m.Out, m.In, nil))
			if base := values(dense(m.Out, m.In, m.Base.Floats())); math.Abs(base[0]-s[rank]) > 1e-5 {
				t.Errorf("the largest singular value of the base is %v, want %v", base[0], s[rank])
			}
		}
	}
}

// LoRA-SB: ΔW is the best approximation of −η·sign(G), downhill, and a gradient
// step on R is the projection of the full gradient.
func TestFirstStep(t *testing.T) {
	for _, init := range []initial.FirstStep{{Step: 0.25}, {Step: 2, Warmup: 8}} {
		testFirstStep(t, init, 0.25)
	}
}

func testFirstStep(t *testing.T, init initial.FirstStep, step float64) {
	for _, shape := range shapes {
		m, g := on(t, delta.Core{CoreOnly: true}, shape, init, 1)
		a, b := factors(m)
		equal(t, "A·Aᵀ", product(a, a.T()), identity(rank))
		equal(t, "Bᵀ·B", product(b.T(), b), identity(rank))
		signs := mat.NewDense(m.Out, m.In, nil)
		for i, v := range g {
			signs.Set(i/m.In, i%m.In, -step*math.Copysign(1, float64(v)))
		}
		u, s, v := decomposed(signs)
		change := changed(t, m)
		equal(t, "ΔW", change, truncated(u, s, v, 0, rank))
		var downhill mat.Dense
		downhill.MulElem(change, dense(m.Out, m.In, g))
		if mat.Sum(&downhill) >= 0 {
			t.Errorf("⟨ΔW, G⟩ is %v: must be below 0", mat.Sum(&downhill))
		}
	}
}

// LoRAFactory's form is the gradient itself, times s; with the offset the
// function is the base's.
func TestFirstStepOfLoRAFactory(t *testing.T) {
	m, g := on(t, delta.Core{CoreOnly: true}, shapes[0], initial.FirstStep{Step: 1, Factory: true}, 1)
	u, s, v := decomposed(dense(m.Out, m.In, g))
	equal(t, "ΔW", changed(t, m), scaled(float64(m.Scaling), truncated(u, s, v, 0, rank)))
	m, _ = on(t, delta.Core{CoreOnly: true}, shapes[0], initial.FirstStep{Step: 1, Factory: true, Offset: true}, 1)
	equal(t, "ΔW with the offset", changed(t, m), mat.NewDense(m.Out, m.In, nil))
}

// NLoRA's factors are corners of W0, and it says how far it is from the base; with
// the inverse they approximate a W0 of rank r exactly.
func TestNystrom(t *testing.T) {
	for _, shape := range shapes {
		m, _ := on(t, delta.Core{}, shape, initial.Nystrom{}, 1)
		w := dense(m.Out, m.In, m.W0())
		corner := w.Slice(0, rank, 0, rank)
		want := scaled(float64(m.Scaling), product(w.Slice(0, m.Out, 0, rank), corner, w.Slice(0, rank, 0, m.In)))
		if d := mat.Norm(minus(changed(t, m), want), 2); d > 1e-5*mat.Norm(want, 2) { // float32 sums of 9 products
			t.Errorf("ΔW is off by %.2g of %.2g", d, mat.Norm(want, 2))
		}
		if !slices.Contains((initial.Nystrom{}).Provides(), adapter.Moved) {
			t.Error("it does not say that it moves the function")
		}
		m, _ = on(t, delta.Core{}, shape, initial.Nystrom{Inverse: true, Offset: true}, 1)
		equal(t, "ΔW with the offset", changed(t, m), mat.NewDense(m.Out, m.In, nil))

		low := product(w.Slice(0, m.Out, 0, rank), w.Slice(0, rank, 0, m.In)) // of rank r
		x := make([]float32, m.Out*m.In)
		for i := range x {
			x[i] = float32(low.At(i/m.In, i%m.In))
		}
		m, err := adapter.New(nn.NewLinear("lin", m.Out, m.In, x), 0, 1, delta.Core{}, nil, rank, alpha)
		if err != nil {
			t.Fatal(err)
		}
		if err := (initial.Nystrom{Inverse: true}).Init([]*adapter.Map{m}, adapter.Inputs{}); err != nil {
			t.Fatal(err)
		}
		got := changed(t, m)
		if d := mat.Norm(minus(got, dense(m.Out, m.In, x)), 2); d > 1e-3*mat.Norm(low, 2) { // float32 of a corner with a condition of some hundred
			t.Errorf("s·B·R·A is off W0 by %.2g of %.2g", d, mat.Norm(low, 2))
		}
	}
}

func TestCoreRefused(t *testing.T) {
	gradient := func(*adapter.Map) []float32 { return make([]float32, 240) }
	nan := make([]float32, 240)
	nan[7] = float32(math.NaN())
	for _, c := range []struct {
		init adapter.Initializer
		d    adapter.Delta
		w    []float32
		says string
	}{
		{initial.SVD{Split: initial.Middle}, delta.SVD{}, make([]float32, 240), "singular values are zero"},
		{initial.FirstStep{Step: 1}, delta.Core{}, make([]float32, 240), "gradient is zero"},
		{initial.Nystrom{}, delta.Core{}, nan, "entry (0, 7) is NaN"},
	} {
		m, err := adapter.New(nn.NewLinear("lin", 20, 12, c.w), 0, 1, c.d, nil, rank, alpha)
		if err != nil {
			t.Fatal(err)
		}
		err = ag.Guard(func() {
			err = c.init.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Gradient: gradient})
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "initial: lin: ") {
				t.Errorf("%T: says %v, want …%s…", c.init, err, c.says)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}
