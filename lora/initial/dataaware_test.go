package initial_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

// A, B against the authors' formulas, computed in another way: with explicit
// inverses, and the eigenvectors of Ω from its singular value decomposition
// after a shift.
func TestDataAware(t *testing.T) {
	for _, init := range []initial.DataAware{
		{Gamma: 1024, Bias: 2, Variance: 1, Population: 3, Damping: 1}, // so much that it turns the directions
		{Gamma: 4, Bias: 2, Variance: 0, Population: 3, Damping: 0.5},
	} {
		for _, shape := range shapes {
			m, g := adapted(t, shape, init)
			a, b := factors(m)
			x, y := moments(activations(m.In)), outputs(m.Out)
			z := mat.NewDense(m.In, m.In, slices.Clone(x.Second))
			for i := range m.In {
				z.Set(i, i, z.At(i, i)+init.Damping)
			}
			var inverse mat.Dense
			if err := inverse.Inverse(z); err != nil {
				t.Log(err)
			}
			sum := 0.0
			step := product(&inverse, dense(m.Out, m.In, g).T())
			for j := range m.Out {
				sum += 1 / (y[j] + init.Damping)
				for i := range m.In {
					step.Set(i, j, -step.At(i, j)/(y[j]+init.Damping))
				}
			}
			sigma := values(step)[0]
			step.Scale(1/sigma, step)
			omega := scaled(-init.Bias, product(step, step.T()))
			omega.Add(omega, scaled(init.Variance*sum/float64(init.Population)/sigma/sigma, &inverse))
			shift := values(omega)[0] // more than any eigenvalue
			shifted := scaled(-1, omega)
			for i := range m.In {
				shifted.Set(i, i, shifted.At(i, i)+shift)
			}
			u, s, _ := decomposed(shifted) // the largest of the shift less Ω are the least of Ω
			if s[rank-1]-s[rank] < 1e-4*shift {
				t.Fatalf("the test's eigenvalues are too close: %v", s)
			}
			v := u.Slice(0, m.In, 0, rank)
			p := product(v, v.T())
			g1 := 1 / init.Gamma
			equal(t, "Aᵀ·A·γ", scaled(init.Gamma, product(a.T(), a)), p)
			equal(t, "B·A·γ", scaled(1/g1, product(b, a)), product(step.T(), p))
			if dot := mat.Trace(product(product(b, a).T(), dense(m.Out, m.In, g))); dot >= 0 {
				t.Errorf("the start goes up the gradient: %v", dot)
			}
		}
	}
}

// With white inputs and outputs and no variance the rows of A are those of the
// gradient's best approximation.
func TestDataAwareOfWhiteData(t *testing.T) {
	m, g := adapted(t, shapes[1], initial.Kaiming{})
	x := &adapter.Moments{Rows: 1, Mean: make([]float64, m.In), Second: make([]float64, m.In*m.In), Scaled: make([]float64, m.In*m.In), Output: make([]float64, m.Out)}
	for i := range m.In {
		x.Second[i*m.In+i] = 1
	}
	for j := range m.Out {
		x.Output[j] = 3
	}
	err := initial.DataAware{Gamma: 1, Bias: 1, Population: 1, Damping: 1e-6}.Init([]*adapter.Map{m}, adapter.Inputs{
		Rand: streams(1), Gradient: func(*adapter.Map) []float32 { return g }, Moments: func(*adapter.Map) *adapter.Moments { return x },
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := factors(m)
	u, s, v := decomposed(dense(m.Out, m.In, g))
	equal(t, "B·A", product(b, a), scaled(-1/s[0], truncated(u, s, v, 0, rank)))
}
