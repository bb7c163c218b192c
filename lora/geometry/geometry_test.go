package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Every quantity is compared with a dense float64 reference by gonum on the
// explicit ΔW. The shapes and ranks are those of all instruments' tests.
var shapes = []struct{ out, in, r int }{{32, 24, 1}, {32, 24, 3}, {32, 24, 8}, {96, 64, 8}, {24, 96, 8}, {32, 24, 24}}

func gaussian(n, dim int, scale float64, rng *rand.Rand) Rows {
	x := Rows{N: n, Dim: dim, Data: make([]float32, n*dim)}
	for i := range x.Data {
		x.Data[i] = float32(scale * rng.NormFloat64())
	}
	return x
}

// products are updates of one shape: plain, of huge and of tiny factors, with a
// column twice, and of zeros.
func products(out, in, r int, rng *rand.Rand) map[string]Product {
	p := func(a, b float64) Product { return Product{gaussian(r, in, a, rng), gaussian(r, out, b, rng), 0.7} }
	all := map[string]Product{"plain": p(1, 1), "huge": p(1e15, 1), "tiny": p(1e-15, 1e-15), "unequal": p(1e6, 1e-6)}
	twice := p(1, 1)
	copy(twice.Bt.Row(r-1), twice.Bt.Row(0))
	copy(twice.A.Row(r-1), twice.A.Row(0))
	all["twice"] = twice
	zero := p(1, 0)
	all["zero"] = zero
	return all
}

func forEach(t *testing.T, f func(t *testing.T, p Product, rng *rand.Rand)) {
	for _, s := range shapes {
		rng := rand.New(rand.NewPCG(uint64(s.out), uint64(s.r)))
		for name, p := range products(s.out, s.in, s.r, rng) {
			t.Run(fmt.Sprintf("%d×%d_r%d_%s", s.out, s.in, s.r, name), func(t *testing.T) { f(t, p, rng) })
		}
	}
}

func wide(x Rows) *mat.Dense {
	d := mat.NewDense(x.N, x.Dim, nil)
	for i, v := range x.Data {
		d.Set(i/x.Dim, i%x.Dim, float64(v))
	}
	return d
}

// whole is ΔW itself.
func whole(p Product) *mat.Dense {
	d := multiply(wide(p.Bt).T(), wide(p.A))
	d.Scale(p.S, d)
	return d
}

func svd(m mat.Matrix) (u *mat.Dense, s []float64, v *mat.Dense) {
	var f mat.SVD
	f.Factorize(m, mat.SVDThin)
	u, v = new(mat.Dense), new(mat.Dense)
	f.UTo(u)
	f.VTo(v)
	return u, f.Values(nil), v
}

// near allows an error of tolerance, relative to scale.
func near(t *testing.T, what string, got, want, scale, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*scale) {
		t.Errorf("%s is %v: must be %v", what, got, want)
	}
}

func orthonormal(t *testing.T, what string, q *mat.Dense) {
	t.Helper()
	_, k := q.Dims()
	g := multiply(q.T(), q)
	for i := range k {
		for j := range k {
			want := 0.0
			if i == j {
				want = 1
			}
			near(t, what, g.At(i, j), want, 1, 1e-12) // some hundred roundings of float64
		}
	}
}

func gaussianDense(out, in int, rng *rand.Rand) *mat.Dense {
	return wide(gaussian(out, in, 1, rng))
}

// turned returns orthonormal columns of which column i is at angle[i] to column
// i of p: its part within p, and a direction that p has nothing of.
func turned(p *mat.Dense, angles []float64, rng *rand.Rand) *mat.Dense {
	n, k := p.Dims()
	rest := orthonormalAgainst(p, gaussianDense(n, k, rng))
	q := mat.NewDense(n, k, nil)
	for j, a := range angles {
		for i := range n {
			q.Set(i, j, math.Cos(a)*p.At(i, j)+math.Sin(a)*rest.At(i, j))
		}
	}
	return q
}
