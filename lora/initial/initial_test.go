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
	out, in := shape[0], shape[1]
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func() []float32 {
		w := make([]float32, out*in)
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
		return w
	}
	m, err := adapter.New(nn.NewLinear("lin", out, in, draw()), 0, 1, delta.LoRA{}, nil, rank, alpha)
	if err != nil {
		t.Fatal(err)
	}
	g := draw()
	err = init.Init([]*adapter.Map{m}, adapter.Inputs{
		Rand: func(name string) *rand.Rand {
			h := fnv.New64a()
			h.Write([]byte(name))
			return rand.New(rand.NewPCG(1, h.Sum64()))
		},
		Gradient: func(*adapter.Map) []float32 { return g },
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, g
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

// The first step of gradient descent, dA = s·Bᵀ·G and dB = s·G·Aᵀ, moves W
// along the best approximation of G of rank 2r (arXiv 2407.05000, theorem
// 3.1): s·(B·dA + dB·A) = s²·c²·G_2r.
func TestGradient(t *testing.T) {
	for _, shape := range shapes {
		m, g := adapted(t, shape, initial.Gradient{Gamma: 16})
		unchanged(t, m)
		a, b := factors(m)
		s := float64(m.Scaling)
		c2 := math.Sqrt(float64(m.Out)) / 16
		one := scaled(c2, mat.NewDiagDense(rank, []float64{1, 1, 1}))
		equal(t, "A·Aᵀ", product(a, a.T()), one)
		equal(t, "Bᵀ·B", product(b.T(), b), one)

		full := dense(m.Out, m.In, g)
		equal(t, "Bᵀ·G·Aᵀ", product(b.T(), full, a.T()), mat.NewDense(rank, rank, nil))
		step := product(b, b.T(), full)
		step.Add(step, product(full, a.T(), a))
		var svd mat.SVD
		svd.Factorize(full, mat.SVDThin)
		var u, v mat.Dense
		svd.UTo(&u)
		svd.VTo(&v)
		u2, v2 := u.Slice(0, m.Out, 0, 2*rank), v.Slice(0, m.In, 0, 2*rank)
		best := product(u2, mat.NewDiagDense(2*rank, svd.Values(nil)[:2*rank]), v2.T())
		equal(t, "the first step", scaled(s*s, step), scaled(s*s*c2, best))
	}
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
