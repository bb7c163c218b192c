package probe

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
)

// The Hessian of a quadratic is known: a rotation of planted eigenvalues.
func TestSharpnessOfAQuadratic(t *testing.T) {
	const n = 40
	rng := rand.New(rand.NewPCG(8, 8))
	random := make([]float64, n*n)
	for i := range random {
		random[i] = rng.NormFloat64()
	}
	var qr mat.QR
	qr.Factorize(mat.NewDense(n, n, random))
	var q mat.Dense
	qr.QTo(&q)
	for name, top := range map[string]float64{"apart": 30, "near the next": 5.5, "of saddle": 0.5} {
		planted := mat.NewDiagDense(n, nil)
		for i := range n {
			planted.SetDiag(i, 5*float64(i)/n)
		}
		if name == "of saddle" {
			for i := range n {
				planted.SetDiag(i, -5*float64(i)/n)
			}
		}
		planted.SetDiag(0, top)
		h := product(1, &q, planted, q.T())
		a, b := ag.NewParameter(4, 5, nil), ag.NewParameter(2, 10, nil)
		fill(a.Floats(), 1, rng)
		fill(b.Floats(), 1, rng)
		before := append(slices.Clone(a.Floats()), b.Floats()...)
		calls := 0
		got, err := Sharpness([]*ag.Variable{a, b}, func() error {
			calls++
			theta := mat.NewVecDense(n, nil)
			for i, v := range append(slices.Clone(a.Floats()), b.Floats()...) {
				theta.SetVec(i, float64(v))
			}
			var g mat.VecDense
			g.MulVec(h, theta)
			for i, p := range []*ag.Variable{a, b} {
				p.ZeroGrad()
				ag.Accumulate(p, func(dst []float32, _ bool) {
					for j := range dst {
						dst[j] = float32(g.AtVec(20*i + j))
					}
				})
			}
			return nil
		}, 25, 7)
		if err != nil {
			t.Fatal(err)
		}
		// Differences of float32 gradients over steps of 6e-3·2 know about four digits.
		if math.Abs(got.Value-top) > 2e-3*max(top, 1)+got.Error {
			t.Errorf("%s: the largest eigenvalue is %v ± %v, want %v", name, got.Value, got.Error, top)
		}
		if calls != 2*got.Iterations || got.Iterations > 25 || got.Seed != 7 {
			t.Errorf("%s: %d gradients, %+v", name, calls, got)
		}
		if name == "apart" && got.Error > 1e-2 {
			t.Errorf("the residual is %v", got.Error)
		}
		if after := append(slices.Clone(a.Floats()), b.Floats()...); !slices.Equal(before, after) {
			t.Errorf("%s: the values have changed", name)
		}
	}
}

// Of a run's loss it is that of the dense Hessian, column by column.
func TestSharpnessOfALoss(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 12, 8, 2)
	train := newRun(m)
	p := New([]*adapter.Map{m})
	train.lend(p)
	v := measured(t, p, 0)

	n := m.TrainedParameters()
	at := func(i int) *float32 {
		a := m.Factor("A").Floats()
		if i < len(a) {
			return &a[i]
		}
		return &m.Factor("B").Floats()[i-len(a)]
	}
	gradient := func() []float64 {
		train.backward()
		var g []float64
		for _, name := range []string{"A", "B"} {
			for _, x := range m.Factor(name).GradFloats() {
				g = append(g, float64(x))
			}
		}
		return g
	}
	dense := mat.NewSymDense(n, nil)
	const h = 1e-2
	for i := range n {
		x := *at(i)
		*at(i) = x + h
		up := gradient()
		*at(i) = x - h
		down := gradient()
		*at(i) = x
		for j := range i + 1 {
			dense.SetSym(i, j, (up[j]-down[j])/(2*h))
		}
	}
	var e mat.EigenSym
	e.Factorize(dense, false)
	values := e.Values(nil)
	want := values[n-1]
	if got := v["sharpness"]; math.Abs(got-want) > v["sharpness_error"]+0.01*want {
		t.Errorf("sharpness is %v ± %v, want %v", got, v["sharpness_error"], want)
	}
	if v["sharpness_error"] > 0.05*want || v["sharpness_iterations"] < 2 {
		t.Errorf("sharpness %v ± %v in %v iterations", v["sharpness"], v["sharpness_error"], v["sharpness_iterations"])
	}
}
