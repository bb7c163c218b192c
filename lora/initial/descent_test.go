package initial_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

// s·B·A is one step down the gradient's best approximation of rank r, and its
// factors share the singular values.
func TestDescent(t *testing.T) {
	const gamma = 128
	for _, shape := range shapes {
		m, g := adapted(t, shape, initial.Descent{Gamma: gamma})
		a, b := factors(m)
		u, s, v := decomposed(dense(m.Out, m.In, g))
		step := scaled(-1/(gamma*s[0]), truncated(u, s, v, 0, rank))
		if d := mat.Norm(minus(product(b, a), step), 2); d > 1e-6*mat.Norm(step, 2) {
			t.Errorf("B·A is off by %.2g of a step of %.2g", d, mat.Norm(step, 2))
		}
		balanced := mat.NewDiagDense(rank, []float64{1. / gamma, s[1] / s[0] / gamma, s[2] / s[0] / gamma})
		equal(t, "A·Aᵀ", product(a, a.T()), balanced)
		equal(t, "Bᵀ·B", product(b.T(), b), balanced)
		if dot := mat.Trace(product(product(b, a).T(), dense(m.Out, m.In, g))); dot >= 0 {
			t.Errorf("the start goes up the gradient: %v", dot)
		}
	}
}

// The start does not depend on the scale of the loss, and on a quadratic loss
// ‖W·X − Y‖² it goes down.
func TestDescentOfALoss(t *testing.T) {
	m, _ := adapted(t, shapes[0], initial.Descent{Gamma: 128})
	x := activations(m.In)
	y := mat.NewDense(60, m.Out, nil)
	for i := range 60 {
		for j := range m.Out {
			y.Set(i, j, math.Sin(float64(i*m.Out+j)))
		}
	}
	loss := func(w mat.Matrix) float64 {
		n := mat.Norm(minus(product(x, w.T()), y), 2)
		return n * n
	}
	w0 := dense(m.Out, m.In, m.W0())
	gradient := product(minus(product(x, w0.T()), y).T(), x)
	var before []float32
	for _, size := range []float64{1, 64} {
		g := make([]float32, m.Out*m.In)
		for i := range g {
			g[i] = float32(size * gradient.RawMatrix().Data[i])
		}
		err := initial.Descent{Gamma: 1e6}.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Gradient: func(*adapter.Map) []float32 { return g }})
		if err != nil {
			t.Fatal(err)
		}
		a, b := factors(m)
		w := scaled(float64(m.Scaling), product(b, a))
		w.Add(w, w0)
		if loss(w) >= loss(w0) {
			t.Errorf("the loss goes from %v to %v", loss(w0), loss(w))
		}
		if now := slices.Concat(m.Factor("A").Floats(), m.Factor("B").Floats()); before == nil {
			before = now
		} else if !slices.Equal(before, now) {
			t.Error("the start depends on the scale of the loss")
		}
	}
}
