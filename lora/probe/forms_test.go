package probe

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/moe"
)

// absent fails where one of the names is reported.
func absent(t *testing.T, v map[string]float64, names ...string) {
	t.Helper()
	for name := range v {
		for _, not := range names {
			if strings.HasPrefix(name, not) {
				t.Errorf("%s is reported", name)
			}
		}
	}
}

var ofGradient = []string{"equivalent_gradient_norm", "captured_gradient_norm", "alignment", "update_alignment"}

// Forms that are more than their factors: values of after the step, and no
// equivalent gradient.
func TestScaledForms(t *testing.T) {
	diagonal := func(m *adapter.Map, name string) mat.Matrix {
		var d []float64
		for _, v := range m.Factor(name).Floats() {
			d = append(d, float64(v))
		}
		return mat.NewDiagDense(len(d), d)
	}
	for _, c := range []struct {
		d     adapter.Delta
		delta func(m *adapter.Map) *mat.Dense
	}{
		{delta.SVD{Orthogonality: 0.5}, func(m *adapter.Map) *mat.Dense {
			return product(float64(m.Scaling), factor(m, "B"), diagonal(m, "E"), factor(m, "A"))
		}},
		{delta.VeRA{}, func(m *adapter.Map) *mat.Dense {
			return product(1, diagonal(m, "b"), factor(m, "B"), diagonal(m, "d"), factor(m, "A"))
		}},
	} {
		m := newMap(t, c.d, nil, 32, 24, 3)
		train := newRun(m)
		p := New([]*adapter.Map{m})
		for step := 1; step <= 2; step++ {
			train.backward()
			before := c.delta(m)
			p.Before(step)
			train.descend(0.1)
			v := measured(t, p, step)
			checkSpectrum(t, v, c.delta(m), 3)
			update := mat.Norm(minus(c.delta(m), before), 2)
			near(t, v, "update_norm", update, 1e-5*update)
			absent(t, v, ofGradient...)
			if _, ok := GradientMismatch(m); ok {
				t.Errorf("%T: gA·Aᵀ = Bᵀ·gB is said to hold", c.d)
			}
		}
	}
}

func TestDenseForms(t *testing.T) {
	for _, d := range []adapter.Delta{delta.HiRA{}, delta.Full{}} {
		m := newMap(t, d, nil, 32, 24, 3)
		weight := func() *mat.Dense {
			f, err := m.Freestanding()
			if err != nil {
				t.Fatal(err)
			}
			return dense(32, 24, ag.Floats(f.W))
		}
		train := newRun(m)
		for _, asked := range []bool{false, true} {
			p := New([]*adapter.Map{m})
			p.Dense = asked
			train.backward()
			before := weight()
			p.Before(1)
			train.descend(0.1)
			v := measured(t, p, 1)
			absent(t, v, append(ofGradient, "rank_usage", "load")...)
			if m.Factor("A") != nil {
				near(t, v, "norm_a", mat.Norm(factor(m, "A"), 2), 1e-5)
			}
			if !asked {
				absent(t, v, "sigma", "effective", "update")
				continue
			}
			checkSpectrum(t, v, minus(weight(), dense(32, 24, m.W0())), 3)
			update := mat.Norm(minus(weight(), before), 2)
			near(t, v, "update_norm", update, 1e-4*update)
		}
	}
}

// With a frozen A what is known of the equivalent gradient is s·gB·A.
func TestFrozenA(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	m.Freeze("A")
	train := newRun(m)
	train.backward()
	p := New([]*adapter.Map{m})
	p.Before(1)
	gb := dense(32, 3, m.Factor("B").GradFloats())
	a := factor(m, "A")
	train.descend(0.1)
	v := measured(t, p, 1)
	near(t, v, "equivalent_gradient_norm", mat.Norm(product(float64(m.Scaling), gb, a), 2), 1e-5)
	absent(t, v, "captured_gradient_norm", "alignment", "update_alignment", "grad_norm_a", "condition_a", "balance")
}

// The change of a gated map's weight is the mean over the tokens.
func TestRouted(t *testing.T) {
	for _, r := range []adapter.Router{moe.LoRAMoE{PerLayer: 3, Balance: 0.1}, moe.MoLA{PerLayer: 3, TopK: 2, Balance: 0.1}} {
		m := newMap(t, delta.LoRA{}, r, 32, 24, 6)
		train := newRun(m)
		train.backward()
		p := New([]*adapter.Map{m})
		p.Before(1)
		before := factor(m, "B")
		a := factor(m, "A")
		train.descend(0.1)
		v := measured(t, p, 1)
		mean := mat.NewDiagDense(6, nil)
		var sum float64
		for e := range 3 {
			load := v[fmt.Sprint("load_", e+1)]
			sum += load
			mean.SetDiag(2*e, load)
			mean.SetDiag(2*e+1, load)
		}
		if math.Abs(sum-1) > 1e-5 || v["load_1"] == v["load_2"] {
			t.Errorf("%T: loads %v, %v, %v: must be different with sum 1", r, v["load_1"], v["load_2"], v["load_3"])
		}
		s := float64(m.Scaling)
		after := product(s, factor(m, "B"), mean, factor(m, "A"))
		checkSpectrum(t, v, after, 6)
		update := mat.Norm(minus(after, product(s, before, mean, a)), 2)
		near(t, v, "update_norm", update, 1e-5*update)
		absent(t, v, ofGradient...)
	}
}
