package initial_test

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

const rank, alpha = 3, 6

// shapes are high, wide and square.
var shapes = [][2]int{{20, 12}, {12, 20}, {16, 16}}

// adapted returns a map over a random out×in weight after init, and a gradient.
func adapted(t *testing.T, shape [2]int, init adapter.Initializer) (*adapter.Map, []float32) {
	t.Helper()
	return seeded(t, shape, init, 1)
}

func seeded(t *testing.T, shape [2]int, init adapter.Initializer, seed uint64) (*adapter.Map, []float32) {
	t.Helper()
	return on(t, delta.LoRA{}, shape, init, seed)
}

// on is seeded with another delta than plain LoRA.
func on(t *testing.T, d adapter.Delta, shape [2]int, init adapter.Initializer, seed uint64) (*adapter.Map, []float32) {
	t.Helper()
	out, in := shape[0], shape[1]
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func() []float32 {
		w := make([]float32, out*in)
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
		return w
	}
	m, err := adapter.New(nn.NewLinear("lin", out, in, draw()), 0, 1, d, nil, rank, alpha)
	if err != nil {
		t.Fatal(err)
	}
	g := draw()
	err = init.Init([]*adapter.Map{m}, adapter.Inputs{
		Rand:     streams(seed),
		Gradient: func(*adapter.Map) []float32 { return g },
		Moments: func(m *adapter.Map) *adapter.Moments {
			x := moments(activations(m.In))
			x.Output = outputs(m.Out)
			return x
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, g
}

// activations are rows with a mean and with directions of their own.
func activations(in int) *mat.Dense {
	rng := rand.New(rand.NewPCG(5, 6))
	x, turn := mat.NewDense(60, in, nil), mat.NewDense(in, in, nil)
	for i := range in {
		for j := range in {
			turn.Set(i, j, rng.NormFloat64())
		}
	}
	for i := range 60 {
		for j := range in {
			x.Set(i, j, 1+rng.NormFloat64()/float64(1+j))
		}
	}
	return product(x, turn)
}

// outputs are mean squares of the gradients of outputs.
func outputs(out int) []float64 {
	y := make([]float64, out)
	for j := range y {
		y[j] = 0.5 + float64(j)/float64(out)
	}
	return y
}

// streams are the named random streams of a seed.
func streams(seed uint64) func(name string) *rand.Rand {
	return func(name string) *rand.Rand {
		h := fnv.New64a()
		h.Write([]byte(name))
		return rand.New(rand.NewPCG(seed, h.Sum64()))
	}
}

func dense(rows, cols int, x []float32) *mat.Dense {
	d := mat.NewDense(rows, cols, nil)
	for i, v := range x {
		d.Set(i/cols, i%cols, float64(v))
	}
	return d
}

func factors(m *adapter.Map) (a, b *mat.Dense) {
	return dense(m.Rank, m.In, m.Factor("A").Floats()), dense(m.Out, m.Rank, m.Factor("B").Floats())
}

func values(w mat.Matrix) []float64 {
	var svd mat.SVD
	svd.Factorize(w, mat.SVDThin)
	return svd.Values(nil)
}

// equal compares to the rounding of the factors to float32: 6e-8 of values up
// to about 5, in sums of up to 20.
func equal(t *testing.T, what string, got, want mat.Matrix) {
	t.Helper()
	if !mat.EqualApprox(got, want, 1e-5) {
		t.Errorf("%s is\n%.6v\nwant\n%.6v", what, mat.Formatted(got), mat.Formatted(want))
	}
}

func product(x ...mat.Matrix) *mat.Dense {
	p := mat.DenseCopyOf(x[0])
	for _, y := range x[1:] {
		var next mat.Dense
		next.Mul(p, y)
		p = &next
	}
	return p
}

func scaled(s float64, x mat.Matrix) *mat.Dense {
	var y mat.Dense
	y.Scale(s, x)
	return &y
}

// unchanged: base + s·B·A is W0.
func unchanged(t *testing.T, m *adapter.Map) {
	t.Helper()
	a, b := factors(m)
	sum := scaled(float64(m.Scaling), product(b, a))
	sum.Add(sum, dense(m.Out, m.In, m.Base.Floats()))
	equal(t, "base + s·B·A", sum, dense(m.Out, m.In, m.W0()))
}

func TestSVD(t *testing.T) {
	for _, shape := range shapes {
		m, _ := adapted(t, shape, initial.SVD{})
		unchanged(t, m)
		a, b := factors(m)
		s0 := values(dense(m.Out, m.In, m.W0()))
		balanced := mat.NewDense(rank, rank, nil)
		for k := range rank {
			balanced.Set(k, k, s0[k]/float64(m.Scaling))
		}
		equal(t, "A·Aᵀ", product(a, a.T()), balanced)
		equal(t, "Bᵀ·B", product(b.T(), b), balanced)
		if s := values(dense(m.Out, m.In, m.Base.Floats())); math.Abs(s[0]-s0[rank]) > 1e-5 {
			t.Errorf("the largest singular value of the base is %v, want %v", s[0], s0[rank])
		}
		for k := range rank {
			column := mat.Col(nil, k, b)
			if low, high := -mat.Min(mat.NewVecDense(len(column), column)), mat.Max(mat.NewVecDense(len(column), column)); low > high {
				t.Errorf("column %d of B has its largest entry at -%v", k, low)
			}
		}
	}
}

// Subspace iteration finds the exact start: the error falls by (σ_k/σ_r)² a
// round, for the first singular value that is not sampled.
func TestRandomizedSVD(t *testing.T) {
	for _, shape := range shapes {
		exact, _ := adapted(t, shape, initial.SVD{})
		random, _ := adapted(t, shape, initial.SVD{Iterations: 100})
		unchanged(t, random)
		a, b := factors(exact)
		ra, rb := factors(random)
		equal(t, "A", ra, a)
		equal(t, "B", rb, b)
	}
}

func TestQR(t *testing.T) {
	for _, shape := range shapes {
		m, _ := adapted(t, shape, initial.QR{})
		unchanged(t, m)
		a, b := factors(m)
		one := mat.NewDiagDense(rank, []float64{1, 1, 1})
		equal(t, "Bᵀ·B", product(b.T(), b), one)
		first := dense(m.Out, m.In, m.W0()).Slice(0, m.Out, 0, rank)
		equal(t, "B·A on the first columns", product(b, a.Slice(0, rank, 0, rank)), first)
		for k := range rank {
			for j := range k {
				if a.At(k, j) != 0 {
					t.Errorf("A[%d,%d] is %v: must be 0", k, j, a.At(k, j))
				}
			}
			if a.At(k, k) < 0 {
				t.Errorf("A[%d,%d] is %v: must not be negative", k, k, a.At(k, k))
			}
		}
	}
}

// The r smallest triplets: σ_i for i > p−r lie in the product, the rest in the
// base, and the two are at right angles.
func TestSmallest(t *testing.T) {
	for _, shape := range shapes {
		m, _ := adapted(t, shape, initial.SVD{Smallest: true})
		unchanged(t, m)
		a, b := factors(m)
		s0 := values(dense(m.Out, m.In, m.W0()))
		p := len(s0)
		balanced := mat.NewDense(rank, rank, nil)
		for k := range rank {
			balanced.Set(k, k, s0[p-rank+k]/float64(m.Scaling))
		}
		equal(t, "A·Aᵀ", product(a, a.T()), balanced)
		equal(t, "Bᵀ·B", product(b.T(), b), balanced)
		base := dense(m.Out, m.In, m.Base.Floats())
		if dot := mat.Trace(product(product(b, a).T(), base)); math.Abs(dot) > 1e-5 {
			t.Errorf("the product and the base are not at right angles: %v", dot)
		}
		if s := values(base); math.Abs(s[0]-s0[0]) > 1e-5 || math.Abs(s[p-rank-1]-s0[p-rank-1]) > 1e-5 || s[p-rank] > 1e-5 {
			t.Errorf("the base has the singular values %v of %v", s, s0)
		}
	}
}

// A weight of rank 1 leaves nothing for the other components: A is alive, B
// zero, the product that of what there is.
func TestComponentsOfNothing(t *testing.T) {
	for _, init := range []initial.SVD{{}, {Smallest: true}} {
		w := make([]float32, 8*6)
		for i := range w {
			w[i] = float32(1+i/6) * float32(1+i%6)
		}
		m, err := adapter.New(nn.NewLinear("lin", 8, 6, w), 0, 1, delta.LoRA{}, nil, rank, alpha)
		if err != nil {
			t.Fatal(err)
		}
		if err := init.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1)}); err != nil {
			t.Fatal(err)
		}
		a, b := factors(m)
		base := dense(8, 6, m.Base.Floats())
		base.Add(base, scaled(float64(m.Scaling), product(b, a)))
		if d := mat.Norm(minus(base, dense(8, 6, w)), 2); d > 1e-5 {
			t.Errorf("%+v: base + s·B·A is off by %v", init, d)
		}
		dead := 0
		for k := range rank {
			if mat.Norm(b.ColView(k), 2) != 0 {
				continue
			}
			dead++
			if n := mat.Norm(a.RowView(k), 2); math.Abs(n-1/math.Sqrt(3)) > 1e-6 {
				t.Errorf("%+v: row %d of A has length %v, and B none", init, k, n)
			}
		}
		if want := map[bool]int{false: rank - 1, true: rank}[init.Smallest]; dead != want {
			t.Errorf("%+v: %d components have no B, want %d", init, dead, want)
		}
	}
}

// same compares two vectors up to their length and sign.
func same(t *testing.T, what string, x, want mat.Vector) {
	t.Helper()
	if c := math.Abs(mat.Dot(x, want)) / mat.Norm(x, 2) / mat.Norm(want, 2); c < 1-1e-6 {
		t.Errorf("%s is at a cosine of %v to what it should be", what, c)
	}
}

func decomposed(w mat.Matrix) (u *mat.Dense, s []float64, v *mat.Dense) {
	var svd mat.SVD
	svd.Factorize(w, mat.SVDThin)
	u, v = new(mat.Dense), new(mat.Dense)
	svd.UTo(u)
	svd.VTo(v)
	return u, svd.Values(nil), v
}

// truncated is the sum of the triplets i ≤ k < j.
func truncated(u *mat.Dense, s []float64, v *mat.Dense, i, j int) *mat.Dense {
	out, _ := u.Dims()
	in, _ := v.Dims()
	return product(u.Slice(0, out, i, j), mat.NewDiagDense(j-i, s[i:j]), v.Slice(0, in, i, j).T())
}

// The samples' moments lie within five standard deviations of the law's.
func TestRandom(t *testing.T) {
	for _, c := range []struct {
		init     adapter.Initializer
		variance float64 // of A, for in = 400
		kurtosis float64 // E x⁴ / (E x²)²
		bound    float64
		both     bool
	}{
		{initial.Kaiming{}, 1.0 / 400 / 3, 9.0 / 5, 1.0 / 20, false},
		{initial.Gaussian{}, 1.0 / 9, 3, math.Inf(1), false},
		{initial.Gaussian{Std: 0.02, Both: true}, 0.0004, 3, math.Inf(1), true},
		{initial.Gaussian{Law: initial.FanIn}, 1.0 / 400, 3, math.Inf(1), false},
		{initial.Gaussian{Law: initial.OverRootRank}, 1.0 / 3, 3, math.Inf(1), false},
		{initial.Gaussian{Law: initial.Xavier, Both: true}, 2.0 / 403, 3, math.Inf(1), true},
		{initial.NonZero{A: 2, B: 2}, 4.0 / 400 / 3, 9.0 / 5, 2.0 / 20, true},
	} {
		m, _ := adapted(t, [2]int{400, 400}, c.init)
		for _, name := range []string{"A", "B"} {
			x := m.Factor(name).Floats()
			var sum, squares float64
			for _, v := range x {
				sum += float64(v)
				squares += float64(v) * float64(v)
				if math.Abs(float64(v)) > c.bound {
					t.Fatalf("%T: %s has %v, beyond %v", c.init, name, v, c.bound)
				}
			}
			n := float64(len(x))
			if name == "B" && !c.both {
				if squares != 0 {
					t.Errorf("%T: B is not zero", c.init)
				}
				continue
			}
			if mean := sum / n; math.Abs(mean) > 5*math.Sqrt(c.variance/n) {
				t.Errorf("%T: the mean of %s is %v", c.init, name, mean)
			}
			if v := squares / n; math.Abs(v/c.variance-1) > 5*math.Sqrt((c.kurtosis-1)/n) {
				t.Errorf("%T: the variance of %s is %v, want %v", c.init, name, v, c.variance)
			}
		}
		if a, _ := m.Start(); a != nil || &m.Base.Floats()[0] != &m.W0()[0] {
			t.Errorf("%T: the base was changed", c.init)
		}
	}
}
