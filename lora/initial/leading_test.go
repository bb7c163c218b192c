package initial_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// large returns a matrix beyond what is decomposed exactly: Gaussian, with columns
// that fall off as a power.
func large(out, in int, power float64) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(rng.NormFloat64() * math.Pow(1+float64(i%in), -power))
	}
	return w
}

// pissa starts a map of rank r over w.
func pissa(t testing.TB, w []float32, out, in, r int, seed uint64) *adapter.Map {
	t.Helper()
	m, err := adapter.New(nn.NewLinear("lin", out, in, w), 0, 1, delta.LoRA{}, nil, r, float64(r))
	if err != nil {
		t.Fatal(err)
	}
	if err := (initial.SVD{}).Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(seed)}); err != nil {
		t.Fatal(err)
	}
	return m
}

// Of a large weight each singular value is within 1e-4 of the exact one, with a
// spectrum that falls fast, slowly or hardly at all, and of low rank; the factors
// take out of it what they say. They depend on nothing but the weight.
func TestLargeWeights(t *testing.T) {
	const r = 8
	low := func(out, in int) []float32 {
		a, b := large(3, in, 0), large(out, 3, 0)
		w := make([]float32, out*in)
		kernels.MatMul(kernels.NN, false, out, in, 3, b, 3, a, in, w, in)
		return w
	}
	for name, c := range map[string]struct {
		out, in int
		w       []float32
	}{
		"high": {250, 230, large(250, 230, 0.5)}, "wide": {230, 250, large(230, 250, 1)},
		"flat": {230, 230, large(230, 230, 0)}, "low rank": {230, 240, low(230, 240)},
		"zero": {230, 230, make([]float32, 230*230)},
	} {
		m := pissa(t, c.w, c.out, c.in, r, 1)
		s := values(dense(c.out, c.in, c.w))
		a, b := factors(m)
		for k := range r {
			got := mat.Norm(a.RowView(k), 2) * mat.Norm(b.ColView(k), 2)
			if s[k] > 1e-6*s[0] && math.Abs(got/s[k]-1) > 1e-4 {
				t.Errorf("%s: singular value %d is %v, want %v", name, k, got, s[k])
			}
		}
		// What is left of the base has the next one for its norm: at most, by how far
		// vectors of one in two thousand are off the exact ones.
		if left := values(dense(c.out, c.in, m.Base.Floats()))[0]; left > s[r]*(1+1e-3)+1e-5*s[0] {
			t.Errorf("%s: the base keeps %v, want %v", name, left, s[r])
		}
		again := pissa(t, c.w, c.out, c.in, r, 2)
		kernels.SetThreads(1)
		alone := pissa(t, c.w, c.out, c.in, r, 1)
		kernels.SetThreads(0)
		for _, f := range []string{"A", "B"} {
			x := m.Factor(f).Floats()
			if !slices.Equal(x, again.Factor(f).Floats()) || !slices.Equal(x, alone.Factor(f).Floats()) {
				t.Errorf("%s: %s depends on the seed or on the number of threads", name, f)
			}
		}
	}
}

// The components of many inputs are those of the exact covariance.
func TestManyInputs(t *testing.T) {
	const in, r = 220, 5
	x := dense(300, in, large(300, in, 0.7))
	m, err := adapter.New(nn.NewLinear("lin", 7, in, make([]float32, 7*in)), 0, 1, delta.LoRA{}, nil, r, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := (initial.Principal{}).Init([]*adapter.Map{m}, adapter.Inputs{Moments: func(*adapter.Map) *adapter.Moments { return moments(x) }}); err != nil {
		t.Fatal(err)
	}
	_, _, v := decomposed(centred(x))
	a, _ := factors(m)
	for k := range r {
		same(t, "a row of A", a.RowView(k), v.ColView(k))
	}
}

func BenchmarkTriplets(b *testing.B) {
	for _, c := range []struct {
		name       string
		out, in, r int
		power      float64
	}{
		{"4096x4096r64", 4096, 4096, 64, 0.5}, {"4096x4096r64flat", 4096, 4096, 64, 0},
		{"5632x2048r8", 5632, 2048, 8, 0.5}, {"2048x2048r8", 2048, 2048, 8, 0.5},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := large(c.out, c.in, c.power)
			for b.Loop() {
				pissa(b, w, c.out, c.in, c.r, 1)
			}
		})
	}
}
