package gram

import (
	"math"
	"math/rand/v2"
	"testing"
)

func rows(n, dim int, seed uint64) Rows {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := Rows{n, dim, make([]float32, n*dim)}
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// naive is Σ_k a(i,k)·b(k,j).
func naive(n int, a, b func(i, j int) float64, i, j int) float64 {
	var sum float64
	for k := range n {
		sum += a(i, k) * b(k, j)
	}
	return sum
}

func TestProducts(t *testing.T) {
	x, y := rows(5, 131, 1), rows(5, 131, 2)
	at := func(x Rows) func(i, j int) float64 {
		return func(i, j int) float64 { return float64(x.Row(i)[j]) }
	}
	turned := func(f func(i, j int) float64) func(i, j int) float64 {
		return func(i, j int) float64 { return f(j, i) }
	}
	cross, square := make([]float64, 25), make([]float64, 25)
	Cross(cross, x, y)
	Gram(square, x)
	small := func(s []float64) func(i, j int) float64 { return func(i, j int) float64 { return s[i*5+j] } }
	combined := Rows{5, 131, make([]float32, 5*131)}
	columns := make([]float64, CombineScratch(5))
	Combine(combined.Data, cross, x, square, y, columns)
	inPlace := rows(5, 131, 1)
	Combine(inPlace.Data, cross, inPlace, square, y, columns)
	product := make([]float64, 25)
	for i := range 5 {
		for j := range 5 {
			if want := naive(131, at(x), turned(at(y)), i, j); math.Abs(cross[i*5+j]-want) > 1e-12*131 {
				t.Errorf("x·yᵀ at %d, %d is %v: must be %v", i, j, cross[i*5+j], want)
			}
			if want := naive(131, at(x), turned(at(x)), i, j); math.Abs(square[i*5+j]-want) > 1e-12*131 {
				t.Errorf("x·xᵀ at %d, %d is %v: must be %v", i, j, square[i*5+j], want)
			}
			for _, tr := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
				Mul(5, product, cross, tr[0], square, tr[1])
				a, b := small(cross), small(square)
				if tr[0] {
					a = turned(a)
				}
				if tr[1] {
					b = turned(b)
				}
				if want := naive(5, a, b, i, j); math.Abs(product[i*5+j]-want) > 1e-9*math.Abs(want)+1e-9 {
					t.Errorf("transposed %v: product at %d, %d is %v: must be %v", tr, i, j, product[i*5+j], want)
				}
			}
		}
		for j := range 131 {
			want := naive(5, small(cross), at(x), i, j) + naive(5, small(square), at(y), i, j)
			if got := combined.Row(i)[j]; math.Abs(float64(got)-want) > 1e-7*math.Abs(want)+1e-4 || inPlace.Row(i)[j] != got {
				t.Fatalf("p·x + q·y at %d, %d is %v, in place %v: must be %v", i, j, got, inPlace.Row(i)[j], want)
			}
		}
	}
}

// U·diag(L)·Uᵀ is the matrix, and the pseudo-inverse is one, also where
// components are equal.
func TestEigen(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 40} {
		x := rows(n, 60, uint64(n))
		if n > 1 {
			copy(x.Row(1), x.Row(0))
		}
		s := make([]float64, n*n)
		Gram(s, x)
		var e Eigen
		if !e.Of(n, s) {
			t.Fatalf("n = %d: refused", n)
		}
		e.Truncate()
		inverse, p, q := make([]float64, n*n), make([]float64, n*n), make([]float64, n*n)
		e.Inverse(inverse)
		Mul(n, p, s, false, inverse, false)
		Mul(n, q, p, false, s, false) // S·S⁺·S = S
		for i, v := range q {
			if math.Abs(v-s[i]) > 1e-9*60 {
				t.Fatalf("n = %d: S·S⁺·S is %v at %d: must be %v", n, v, i, s[i])
			}
		}
		if rank := math.Round(Trace(n, p)); n > 1 && int(rank) != n-1 {
			t.Errorf("n = %d: rank is %v: must be %d", n, rank, n-1)
		}
		var values Eigen
		values.Values(n, s)
		for i, l := range values.L {
			if i > 0 && math.Abs(l-e.L[i]) > 1e-9*60 {
				t.Errorf("n = %d: eigenvalue %d is %v alone and %v with vectors", n, i, l, e.L[i])
			}
		}
	}
	var e Eigen
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		if e.Of(2, []float64{1, bad, bad, 1}) || !math.IsNaN(e.L[0]) || !math.IsNaN(e.U[3]) {
			t.Errorf("a matrix with %v has eigenvalues %v", bad, e.L)
		}
	}
}

// TestEigenOfAnySize: matrices so small or so large that LAPACK would rescale
// them have the eigenvalues of the matrix they are a multiple of.
func TestEigenOfAnySize(t *testing.T) {
	s := []float64{2, 1, 1, 2}
	for _, scale := range []float64{1, 1e-300, 1e-150, 1e150, 1e300} {
		x := make([]float64, 4)
		for i, v := range s {
			x[i] = v * scale
		}
		var e Eigen
		if !e.Of(2, x) || math.Abs(e.L[0]/scale-1) > 1e-14 || math.Abs(e.L[1]/scale-3) > 1e-14 { // a few ulp
			t.Errorf("scale %g: eigenvalues %v, want 1 and 3 times it", scale, e.L)
		}
		if !e.Values(2, x) || math.Abs(e.L[1]/scale-3) > 1e-14 {
			t.Errorf("scale %g: eigenvalues alone %v", scale, e.L)
		}
	}
	// One component that lives, and others that have all but died.
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 12
	graded := make([]float64, n*n)
	for i := range n {
		for j := range n {
			if min(i, j) > 0 {
				graded[i*n+j] = 1e-130 * rng.Float64()
				graded[j*n+i] = graded[i*n+j]
			}
		}
	}
	graded[0] = 1
	for _, scale := range []float64{1, 1e-100, 1e100} {
		x := make([]float64, n*n)
		for i, v := range graded {
			x[i] = v * scale
		}
		var e Eigen
		if !e.Values(n, x) || math.Abs(e.L[n-1]/(scale)-1) > 1e-14 {
			t.Errorf("graded, scale %g: %v", scale, e.L)
		}
		if !e.Of(n, x) || math.Abs(e.L[n-1]/(scale)-1) > 1e-14 {
			t.Errorf("graded with vectors, scale %g: %v", scale, e.L)
		}
	}
	var e Eigen
	if !e.Of(2, make([]float64, 4)) || e.L[0] != 0 || e.L[1] != 0 {
		t.Errorf("zero matrix: %v", e.L)
	}
}

// The rows of L^(-1/2)·Uᵀ·x are orthonormal, and span what x does where it is
// rank deficient; f(S) of f = √ squares to S.
func TestFunctionsOfEigen(t *testing.T) {
	const n, dim = 5, 40
	x := rows(n, dim, 3)
	copy(x.Row(1), x.Row(0))
	s := make([]float64, n*n)
	Gram(s, x)
	var e Eigen
	e.Of(n, s)
	e.Truncate()
	inv, p, q := make([]float64, n*n), make([]float64, n*n), make([]float64, n*n)
	e.InverseRoot(inv)
	Mul(n, p, inv, false, s, false)
	Mul(n, q, p, false, inv, true)
	for i := range n {
		for j := range n {
			want := 0.0
			if i == j && e.L[i] != 0 {
				want = 1
			}
			if math.Abs(q[i*n+j]-want) > 1e-9 {
				t.Errorf("the basis' Gram matrix is %v at %d, %d: must be %v", q[i*n+j], i, j, want)
			}
		}
	}
	Mul(n, p, inv, true, inv, false)
	e.Inverse(q)
	for i, v := range p {
		if math.Abs(v-q[i]) > 1e-9 {
			t.Errorf("the pseudo-inverse is %v at %d by its root, %v by itself", v, i, q[i])
		}
	}
	e.Apply(p, math.Sqrt)
	Mul(n, q, p, false, p, false)
	for i, v := range q {
		if math.Abs(v-s[i]) > 1e-9*dim {
			t.Errorf("√S·√S is %v at %d: must be %v", v, i, s[i])
		}
	}
}
