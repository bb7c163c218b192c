package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// graded is an out×in matrix with singular values that fall by the power.
func graded(out, in int, power float64, rng *rand.Rand) (w, u, v *mat.Dense, s []float64) {
	p := min(out, in)
	u, _ = QR(gaussianDense(out, p, rng))
	v, _ = QR(gaussianDense(in, p, rng))
	us := mat.DenseCopyOf(u)
	for k := range p {
		s = append(s, math.Pow(float64(k+1), -power))
		scaleColumn(us, k, s[k])
	}
	return multiply(us, v.T()), u, v, s
}

func TestLeadingAndTrailing(t *testing.T) {
	for _, shape := range [][2]int{{32, 24}, {96, 64}, {64, 200}, {200, 120}} {
		for _, power := range []float64{0.5, 1, 2} {
			for _, k := range []int{1, 8, 20} {
				t.Run(fmt.Sprint(shape, power, k), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(uint64(shape[0]), uint64(k)))
					w, u, v, s := graded(shape[0], shape[1], power, rng)
					d, err := Leading(w, k, rng)
					if err != nil {
						t.Fatal(err)
					}
					check := func(what string, d SVD, at int) {
						t.Helper()
						if len(d.S) != k {
							t.Fatalf("%s: %d triplets: must be %d", what, len(d.S), k)
						}
						for j, got := range d.S {
							near(t, what+" σ", got, s[at+j], s[0], 1e-12)
						}
						// A residual of 1e-11·σ₁² over gaps of σ² of down to 1e-5 of it.
						left, right := d.First(k)
						near(t, what+" left", Overlap(left, mat.DenseCopyOf(u.Slice(0, shape[0], at, at+k))), 1, 1, 1e-9)
						near(t, what+" right", Overlap(right, mat.DenseCopyOf(v.Slice(0, shape[1], at, at+k))), 1, 1, 1e-9)
					}
					check("leading", d, 0)
					if d, err = Trailing(w, k, rng); err != nil {
						t.Fatal(err)
					}
					check("trailing", d, min(shape[0], shape[1])-k)
				})
			}
		}
	}
}

// Singular values that are equal, zero or too many are no obstacle.
func TestLeadingOfSpecial(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	equal := mat.NewDense(48, 48, nil)
	for i := range 48 {
		equal.Set(i, i, 2)
	}
	for _, c := range []struct {
		what string
		w    *mat.Dense
		want float64
	}{{"2·I", equal, 2}, {"0", mat.NewDense(40, 30, nil), 0}, {"1×1", mat.NewDense(1, 1, []float64{-3}), 3}} {
		d, err := Leading(c.w, 5, rng)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		orthonormal(t, c.what, d.V)
		for _, s := range d.S {
			near(t, c.what, s, c.want, 1, 1e-12)
		}
		if d, err = Trailing(c.w, 5, rng); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		orthonormal(t, c.what, d.U)
		for _, s := range d.S {
			near(t, c.what, s, c.want, 1, 1e-12)
		}
	}
	// Rank 20 of 64: the trailing directions are those that the weight ignores.
	low := multiply(gaussianDense(64, 20, rng), gaussianDense(20, 80, rng))
	d, err := Trailing(low, 10, rng)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "‖Uᵀ·W‖", mat.Norm(multiply(d.U.T(), low), 2), 0, mat.Norm(low, 2), 1e-6) // rounding over σ₂₀² of the Gram matrix
}

func TestLeadingSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	for _, shape := range [][2]int{{96, 64}, {64, 96}} {
		w, _, _, _ := graded(shape[0], shape[1], 1, rng)
		p := Product{gaussian(4, shape[1], 0.2, rng), gaussian(4, shape[0], 0.2, rng), 1.5}
		d, err := LeadingSum(w, p, 10, rng)
		if err != nil {
			t.Fatal(err)
		}
		var full mat.Dense
		full.Add(w, whole(p))
		u, s, _ := svd(&full)
		for k, got := range d.S {
			near(t, "σ", got, s[k], s[0], 1e-12)
			near(t, "<u, û>", math.Abs(mat.Dot(u.ColView(k), d.U.ColView(k))), 1, 1, 1e-8)
		}
	}
}

// A change whose stacked factors are dependent, of a weight so small that the
// search begins with the whole space, and one that is huge.
func TestLeadingOfDependentFactors(t *testing.T) {
	for _, size := range []float32{1, 1e13} {
		testDependent(t, size)
	}
}

func testDependent(t *testing.T, size float32) {
	const out, in, n = 12, 16, 8
	rng := rand.New(rand.NewPCG(4, 4))
	w := gaussianDense(out, in, rng)
	a, b := make([]float32, n*in), make([]float32, out*n)
	for i := range a {
		a[i] = float32(i % in)
	}
	for i := range b {
		b[i] = size
	}
	p := Of(0.1, b, out, a, in)
	d, err := LeadingSum(w, p, 10, rng)
	if err != nil {
		t.Fatal(err)
	}
	sum := mat.DenseCopyOf(w)
	for i := range out {
		for j := range in {
			sum.Set(i, j, sum.At(i, j)+float64(size)*0.1*n*float64(j))
		}
	}
	whole, err := Decompose(sum)
	if err != nil {
		t.Fatal(err)
	}
	for j, s := range d.S {
		if math.Abs(s-whole.S[j]) > 1e-7*whole.S[0] { // float32 factors
			t.Errorf("σ %d is %v, want %v", j+1, s, whole.S[j])
		}
	}
}
