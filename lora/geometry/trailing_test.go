package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/kernels"
)

// planted is an out×in matrix with these singular values.
func planted(out, in int, s []float64, rng *rand.Rand) (w *mat.Dense, u, v *mat.Dense) {
	u, _ = QR(gaussianDense(out, len(s), rng))
	v, _ = QR(gaussianDense(in, len(s), rng))
	return multiply(scaled(u, s), v.T()), u, v
}

// falling are n values from 1 to 1/condition, each the same part of the one before.
func falling(n int, condition float64) []float64 {
	s := make([]float64, n)
	for j := range s {
		s[j] = math.Pow(condition, -float64(j)/float64(n-1))
	}
	return s
}

// Over conditions of up to what float32 weights are known to, a planted spectrum is
// found: singular values to 1e-7 of themselves, and the spaces of their vectors to
// 1e-6 over the gap behind them, where that is more than 1e-5.
func TestTrailingSpectra(t *testing.T) {
	const k = 8
	for _, shape := range [][2]int{{208, 260}, {260, 208}, {220, 220}} {
		p := min(shape[0], shape[1])
		for _, condition := range []float64{1e2, 1e3, 1e4, 1e5, 1e6, 1e7} {
			rng := rand.New(rand.NewPCG(8, uint64(condition)))
			s := falling(p, condition)
			w, u, v := planted(shape[0], shape[1], s, rng)
			d, err := Trailing(w, k, rng)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprint(shape, condition)
			for j, got := range d.S {
				near(t, what, got, s[p-k+j], s[p-k+j], 1e-7)
			}
			ratio := s[p-k] / s[p-k-1]
			for side, of := range [][2]*mat.Dense{{d.U, u}, {d.V, v}} {
				rows, _ := of[1].Dims()
				angles, err := Angles(of[0], of[1].Slice(0, rows, p-k, p).(*mat.Dense))
				if err != nil {
					t.Fatal(err)
				}
				// k vectors that are off by 1e-6 over the gap, or 1e-5 on the other side.
				near(t, fmt.Sprint(what, " side ", side), Chordal(angles), 0, math.Sqrt(k), max(1e-5, 1e-6/(1-ratio*ratio)))
			}
		}
	}
}

// Where the weight has not full rank, what it ignores is found, and beside it the
// smallest of what it does not.
func TestTrailingOfLowRank(t *testing.T) {
	const k = 8
	rng := rand.New(rand.NewPCG(8, 8))
	for _, shape := range [][2]int{{208, 260}, {260, 208}} {
		for _, none := range []int{1, 5, 8, 60, 207} {
			p := min(shape[0], shape[1])
			s := falling(p, 1e3)
			clear(s[p-none:])
			w, u, v := planted(shape[0], shape[1], s, rng)
			d, err := Trailing(w, k, rng)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprint(shape, none)
			orthonormal(t, what, d.U)
			orthonormal(t, what, d.V)
			for j, got := range d.S {
				near(t, what, got, s[p-k+j], max(s[p-k+j], Rounding*1e6), 1e-6)
			}
			if none >= k {
				continue
			}
			short, of := d.U, u // the longer side's is one of many
			if shape[0] > shape[1] {
				short, of = d.V, v
			}
			angles, err := Angles(short, of.Slice(0, p, p-k, p).(*mat.Dense))
			if err != nil {
				t.Fatal(err)
			}
			near(t, what, Chordal(angles), 0, 1, 3e-6/(1-math.Pow(s[p-k]/s[p-k-1], 2)))
		}
		// Rows and columns of zeros, and two that are equal.
		w := gaussianDense(shape[0], shape[1], rng)
		for j := range shape[1] {
			w.Set(3, j, 0)
			w.Set(100, j, w.At(99, j))
		}
		for i := range shape[0] {
			w.Set(i, 5, 0)
			w.Set(i, 7, w.At(i, 8))
		}
		exact, err := Decompose(w)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Trailing(w, k, rng)
		if err != nil {
			t.Fatal(err)
		}
		for j, want := range exact.Tail(k).S {
			near(t, fmt.Sprint(shape, " rows of zeros"), d.S[j], want, max(want, Rounding*1e6*exact.S[0]), 1e-6)
		}
	}
}

// The bits depend on no number of threads.
func TestTrailingOnThreads(t *testing.T) {
	of := func() []float64 {
		rng := rand.New(rand.NewPCG(8, 9))
		d, err := Trailing(gaussianDense(300, 250, rng), 6, rng)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(d.S, d.U.RawMatrix().Data, mat.DenseCopyOf(d.V).RawMatrix().Data)
	}
	want := of()
	kernels.SetThreads(1)
	defer kernels.SetThreads(0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if !slices.Equal(of(), want) {
		t.Error("they do")
	}
}

// Leading triplets that are a part of 1e-6 of the first, and near each other: singular
// values to 1e-8 of themselves, as they are off by the square of what their vectors
// are, and the spaces to 1e-5 over a gap of a hundredth.
func TestOperatorLeading(t *testing.T) {
	const k = 10
	for _, shape := range [][2]int{{180, 220}, {220, 180}} {
		rng := rand.New(rand.NewPCG(8, 10))
		s := append([]float64{1}, falling(179, 100)...)
		for j := range s[1:] {
			s[1+j] *= 1e-6
		}
		w, u, v := planted(shape[0], shape[1], s, rng)
		o := Operator{shape[0], shape[1], func(x *mat.Dense) *mat.Dense { return multiply(w, x) }, func(x *mat.Dense) *mat.Dense { return multiply(w.T(), x) }}
		d, err := o.Leading(k, rng)
		if err != nil {
			t.Fatal(err)
		}
		for j, got := range d.S {
			near(t, fmt.Sprint(shape), got, s[j], s[j], 1e-8)
		}
		for side, of := range [][2]*mat.Dense{{d.U, u}, {d.V, v}} {
			rows, _ := of[1].Dims()
			angles, err := Angles(of[0], of[1].Slice(0, rows, 0, k).(*mat.Dense))
			if err != nil {
				t.Fatal(err)
			}
			near(t, fmt.Sprint(shape, " side ", side), Chordal(angles), 0, math.Sqrt(k), 1e-3)
		}
	}
}

// A search that is not done says so: of the smallest with a solve that knows nothing,
// and of the largest of what is no one matrix.
func TestOperatorNotFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 11))
	w, _, _ := planted(180, 220, falling(180, 1e5), rng)
	other := gaussianDense(220, 180, rng)
	o := Operator{180, 220, func(x *mat.Dense) *mat.Dense { return multiply(w, x) }, func(x *mat.Dense) *mat.Dense { return multiply(w.T(), x) }}
	_, trailing := o.Trailing(4, func(x *mat.Dense) *mat.Dense { return x }, 0, rng)
	o.Turned = func(x *mat.Dense) *mat.Dense { return multiply(other, x) }
	_, leading := o.Leading(4, rng)
	for what, err := range map[string]error{"smallest": trailing, "largest": leading} {
		var residual, enough float64
		if err == nil {
			t.Errorf("%s: no error", what)
		} else if _, err := fmt.Sscanf(err.Error(), "its singular vectors did not converge: after 100 rounds a residual is %g, where %g is enough", &residual, &enough); err != nil || !(residual > enough) {
			t.Errorf("%s: %v, of %v and %v", what, err, residual, enough)
		}
	}
}
