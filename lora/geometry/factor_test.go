package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// l·q is w, of which the rows of q are orthonormal and l is lower triangular, to some
// roundings of float32 (6e-8) in the sums of each of the panels.
func TestReflect(t *testing.T) {
	for _, shape := range [][2]int{{1, 1}, {1, 40}, {32, 32}, {33, 50}, {70, 64 + 37}} {
		n, m := shape[0], shape[1]
		w := gaussianDense(n, m, rand.New(rand.NewPCG(7, uint64(n))))
		x := narrow(w)
		all := reflect(n, m, x)
		q := wide(Rows{N: n, Dim: m, Data: orthonormalRows(n, m, all)})
		l := mat.NewDense(n, n, nil)
		for i := range n {
			for j := range i + 1 {
				l.Set(i, j, float64(x[i*m+j]))
			}
		}
		var off mat.Dense
		off.Sub(multiply(q, q.T()), mat.NewDiagDense(n, slices.Repeat([]float64{1}, n)))
		near(t, fmt.Sprint(shape, " q·qᵀ"), mat.Norm(&off, 2), 0, math.Sqrt(float64(n)), 1e-6)
		off.Reset()
		off.Sub(multiply(l, q), w)
		near(t, fmt.Sprint(shape, " l·q"), mat.Norm(&off, 2), 0, mat.Norm(w, 2), 1e-6)
	}
}

// The factor solves with the square of the smaller side, at any scale.
func TestFactor(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	for _, shape := range [][2]int{{40, 60}, {60, 40}, {50, 50}} {
		for _, size := range []float64{1, 1e60, 1e-60} {
			w, _, _, s := graded(shape[0], shape[1], 1, rng)
			w.Scale(size, w)
			x := gaussianDense(min(shape[0], shape[1]), 3, rng)
			var square *mat.Dense
			if shape[0] > shape[1] {
				square = multiply(w.T(), multiply(w, x))
			} else {
				square = multiply(w, multiply(w.T(), x))
			}
			var off mat.Dense
			off.Sub(factorOf(w).solve(square), x)
			near(t, fmt.Sprint(shape, size), mat.Norm(&off, 2), 0, mat.Norm(x, 2), 1e-6*s[0]/s[len(s)-1])
		}
	}
}

// outlying is a second moment of channels of which some are far out, alone and
// together, with a hundredth of its mean added: of a condition of 1e5 to 1e6, as n
// allows.
func outlying(n int, rng *rand.Rand) *mat.Dense {
	x := gaussianDense(n, 3, rng)
	for i := 0; i < n; i += 50 {
		x.Set(i, 0, 1e3)
	}
	c := multiply(x, x.T())
	for i := range n {
		c.Set(i, i, c.At(i, i)+1e-4*rng.Float64())
	}
	size := mat.Trace(c) / float64(n)
	for i := range n {
		c.Set(i, i, c.At(i, i)+0.01*size)
	}
	return c
}

// The smallest part of the square of a product is divided by to a digit, though the
// product has a condition beyond float32's.
func TestSolver(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 3))
	for _, shape := range [][2]int{{150, 200}, {200, 150}, {150, 150}} {
		w, _, _ := planted(shape[0], shape[1], falling(150, 1e3), rng)
		c := outlying(shape[1], rng)
		solve, err := Solver(w, c)
		if err != nil {
			t.Fatal(err)
		}
		wc := multiply(w, c)
		if shape[0] > shape[1] {
			wc = mat.DenseCopyOf(wc.T())
		}
		d, err := Decompose(wc)
		if err != nil {
			t.Fatal(err)
		}
		if condition := d.S[0] / d.S[len(d.S)-1]; condition < 1e6 {
			t.Fatalf("%v: the condition is %v", shape, condition)
		}
		for j, s := range d.Tail(20).S {
			x := mat.DenseCopyOf(d.Tail(20).U.ColView(j))
			var y mat.Dense
			y.Scale(s*s, x)
			y.Sub(solve(&y), x)
			near(t, fmt.Sprint(shape, " vector ", j), mat.Norm(&y, 2), 0, 1, 0.1)
		}
	}
	if _, err := Solver(gaussianDense(6, 4, rng), mat.NewDense(4, 4, nil)); err == nil {
		t.Error("a metric of zeros is divided by")
	}
}
