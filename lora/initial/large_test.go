package initial_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// The rank of starts of weights just beyond what is decomposed exactly.
const largeRank = 8

var largeShapes = [][2]int{{208, 260}, {260, 208}}

// started is a map over w after init.
func started(t *testing.T, w []float32, shape [2]int, init adapter.Initializer, x *adapter.Moments) *adapter.Map {
	t.Helper()
	m, err := adapter.New(nn.NewLinear("lin", shape[0], shape[1], w), 0, 1, delta.LoRA{}, nil, largeRank, 2*largeRank)
	if err != nil {
		t.Fatal(err)
	}
	err = init.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Moments: func(*adapter.Map) *adapter.Moments { return x }})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// added is s·B·A, and checks that the base has lost it.
func added(t *testing.T, what string, m *adapter.Map) *mat.Dense {
	t.Helper()
	a, b := factors(m)
	sum := scaled(float64(m.Scaling), product(b, a))
	w := minus(dense(m.Out, m.In, m.W0()), sum)
	// Each value is rounded to 6e-8 of itself once as a base, and once in the sum.
	close64(t, what+": base", dense(m.Out, m.In, m.Base.Floats()), w, 2e-7*mat.Norm(dense(m.Out, m.In, m.W0()), 2))
	return sum
}

func close64(t *testing.T, what string, got, want mat.Matrix, off float64) {
	t.Helper()
	var d mat.Dense
	d.Sub(got, want)
	if n := mat.Norm(&d, 2); !(n <= off) {
		t.Errorf("%s is off by %.3g: must be at most %.3g", what, n, off)
	}
}

// lowRank is a weight of that rank to the rounding of float32.
func lowRank(out, in, r int) []float32 {
	a, b, w := large(r, in, 0.2), large(out, r, 0.2), make([]float32, out*in)
	kernels.MatMul(kernels.NN, false, out, in, r, b, r, a, in, w, in)
	return w
}

// MiLoRA and MiCA of large weights have the exact decomposition's smallest triplets:
// vectors to 1e-6 over a gap of a hundredth, in products of float32.
func TestSmallestOfLargeWeights(t *testing.T) {
	const r = largeRank
	for _, shape := range largeShapes {
		out, in := shape[0], shape[1]
		for _, power := range []float64{0, 0.5, 1.5} {
			what := fmt.Sprint(shape, power)
			w := large(out, in, power)
			u, s, v := decomposed(dense(out, in, w))
			p := len(s)
			want := truncated(u, s, v, p-r, p)
			m := started(t, w, shape, initial.SVD{Smallest: true}, nil)
			close64(t, what+": B·A", added(t, what, m), want, 2e-4*mat.Norm(want, 2))
			a, b := factors(m)
			for k := range r {
				got := float64(m.Scaling) * mat.Norm(a.RowView(k), 2) * mat.Norm(b.ColView(k), 2)
				if math.Abs(got/s[p-r+k]-1) > 1e-6 {
					t.Errorf("%s: singular value %d is %v, want %v", what, p-r+k, got, s[p-r+k])
				}
			}
			m = started(t, w, shape, initial.Minor{}, nil)
			_, b = factors(m)
			span := u.Slice(0, out, p-r, p)
			close64(t, what+": B·Bᵀ", product(b, b.T()), product(span, span.T()), 2e-4*math.Sqrt(r))
		}
	}
}

// What a weight of low rank ignores has the start of plain LoRA, and what it does not
// its own.
func TestSmallestOfLowRank(t *testing.T) {
	const r = largeRank
	for _, shape := range largeShapes {
		for _, none := range []int{3, 205, 208} {
			what := fmt.Sprint(shape, none)
			w := lowRank(shape[0], shape[1], 208-none)
			if none == 208 {
				w = make([]float32, len(w))
			}
			m := started(t, w, shape, initial.SVD{Smallest: true}, nil)
			u, s, v := decomposed(dense(shape[0], shape[1], w))
			got, want := added(t, what, m), truncated(u, s, v, 208-r, 208)
			close64(t, what+": B·A", got, want, 2e-4*mat.Norm(want, 2)+1e-5*s[0])
			a, b := factors(m)
			for k := range r {
				dead := k >= r-none
				if zero := mat.Norm(b.ColView(k), 2) == 0; zero != dead || dead && math.Abs(mat.Norm(a.RowView(k), 2)-1/math.Sqrt(3)) > 1e-6 {
					t.Errorf("%s: component %d has B %v and A %v", what, k, mat.Norm(b.ColView(k), 2), mat.Norm(a.RowView(k), 2))
				}
			}
		}
	}
}

// outliers are moments of inputs of which some channels are so many times the
// others, and which have a mean: of a thousand times, their second moment has a
// condition of 1e4, damped.
func outliers(in int, times float64) *adapter.Moments {
	rng := rand.New(rand.NewPCG(9, 9))
	x := mat.NewDense(150, in, nil)
	for i := range 150 {
		for j := range in {
			v := 0.5 + rng.NormFloat64()
			if j%90 == 7 {
				v *= times
			}
			x.Set(i, j, v)
		}
	}
	return moments(x)
}

// CorDA's product is U·Uᵀ·W0 for the exact U of W0·C, whatever C's condition: of the
// largest, and of the smallest, whose singular values are a part of 1e-7 of those.
func TestOrientedOfLargeWeights(t *testing.T) {
	const r = largeRank
	for _, shape := range largeShapes {
		out, in := shape[0], shape[1]
		x := outliers(in, 1000)
		c := mat.NewDense(in, in, append([]float64(nil), x.Second...))
		size := mat.Trace(c) / float64(in)
		for i := range in {
			c.Set(i, i, c.At(i, i)+0.01*size)
		}
		for _, power := range []float64{0, 1} {
			w := large(out, in, power)
			u, s, v := decomposed(product(dense(out, in, w), c))
			for _, preserve := range []bool{false, true} {
				what := fmt.Sprint(shape, power, preserve)
				m := started(t, w, shape, initial.Oriented{Damping: 0.01, Preserve: preserve}, x)
				first := 0
				if preserve {
					first = len(s) - r
				}
				span := u.Slice(0, out, first, first+r)
				want := product(span, span.T(), dense(out, in, w))
				close64(t, what+": B·A", added(t, what, m), want, 2e-4*mat.Norm(want, 2))
				a, b := factors(m)
				for k := range r {
					near := math.Sqrt(s[first+k] / float64(m.Scaling))
					if n := mat.Norm(b.ColView(k), 2); math.Abs(n/near-1) > 1e-5 {
						t.Errorf("%s: column %d of B has the length %v, want %v", what, k, n, near)
					}
					same(t, what+": a row of A·C", product(a, c).RowView(k), v.ColView(first+k))
				}
			}
		}
		// What a weight of low rank ignores is left alone.
		m := started(t, lowRank(out, in, 203), shape, initial.Oriented{Damping: 0.01, Preserve: true}, x)
		added(t, fmt.Sprint(shape, " low rank"), m)
		_, b := factors(m)
		for k := range r {
			if dead := k >= r-5; dead != (mat.Norm(b.ColView(k), 2) == 0) {
				t.Errorf("%v: of a low rank, component %d has B %v", shape, k, mat.Norm(b.ColView(k), 2))
			}
		}
	}
}

// Where float64 does not tell the smallest apart it is said of which map, and how far
// they are known: with a damping of 1e-9, their squares are a part of 1e-30 of the
// largest.
func TestOrientedNotFound(t *testing.T) {
	shape := largeShapes[0]
	m, err := adapter.New(nn.NewLinear("lin", shape[0], shape[1], large(shape[0], shape[1], 1)), 0, 1, delta.LoRA{}, nil, largeRank, largeRank)
	if err != nil {
		t.Fatal(err)
	}
	x := outliers(shape[1], 1e5)
	err = initial.Oriented{Damping: 1e-9, Preserve: true}.Init([]*adapter.Map{m}, adapter.Inputs{Moments: func(*adapter.Map) *adapter.Moments { return x }})
	says := regexp.MustCompile(`^initial: lin: the weight times the second moment of its activations with a damping of 1e-09: its singular vectors did not converge: after 100 rounds a residual is [0-9.e-]+, where 1e-0[56] is enough$`)
	if err == nil || !says.MatchString(err.Error()) {
		t.Errorf("says %v", err)
	}
}

// The least directions of many inputs are those of the exact second moment, or some
// of those that fewer rows leave out.
func TestNullOfManyInputs(t *testing.T) {
	for _, shape := range largeShapes {
		out, in := shape[0], shape[1]
		for _, rows := range []int{100, 400} {
			what := fmt.Sprint(shape, rows)
			x := dense(rows, in, large(rows, in, 0.7))
			w := large(out, in, 0)
			m := started(t, w, shape, initial.Null{}, moments(x))
			got := added(t, what, m)
			if rows < in {
				close64(t, what+": x·Aᵀ", product(x, got.T()), mat.NewDense(rows, out, nil), 1e-5*mat.Norm(x, 2))
				continue
			}
			_, _, v := decomposed(x)
			null := v.Slice(0, in, in-largeRank, in)
			want := product(dense(out, in, w), null, null.T())
			close64(t, what+": B·A", got, want, 2e-4*mat.Norm(want, 2))
		}
	}
}

// Nothing depends on the number of threads.
func TestLargeOnThreads(t *testing.T) {
	shape := largeShapes[0]
	for _, init := range []adapter.Initializer{
		initial.SVD{Smallest: true}, initial.Minor{}, initial.Null{},
		initial.Oriented{Damping: 0.01}, initial.Oriented{Damping: 0.01, Preserve: true},
	} {
		of := func() []float32 {
			m := started(t, large(shape[0], shape[1], 0.5), shape, init, outliers(shape[1], 1000))
			return slices.Concat(m.Factor("A").Floats(), m.Factor("B").Floats())
		}
		all := of()
		kernels.SetThreads(1)
		procs := runtime.GOMAXPROCS(1)
		one := of()
		kernels.SetThreads(0)
		runtime.GOMAXPROCS(procs)
		if !slices.Equal(all, one) {
			t.Errorf("%T%+v does", init, init)
		}
	}
}
