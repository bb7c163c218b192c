package kernels

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
)

// unit is the largest relative error of one rounding to float32, tiny twice the
// largest absolute one below the normal numbers.
const (
	unit = 1.0 / (1 << 24)
	tiny = 0x1p-149
)

// An elements is an element-wise function for checkElements, which runs it at
// every level on odd lengths, between canaries, in place, on special values and on
// one and several threads.
type elements struct {
	name    string
	outputs int // which may be read too, as gradients are that are added to
	inputs  int
	run     func(out, in [][]float32)

	// want gives one element of each output and the bound of its error, from the
	// inputs and the outputs as they were.
	want func(old, in []float64) (want, bound []float64)

	inPlace [][2]int       // output o may be input i
	value   func() float32 // of the inputs; standard normal if nil
}

// lengths are all up to two vectors and one, some beside longer loops, and one
// that threads share.
func lengths() []int {
	var n []int
	for i := range 18 {
		n = append(n, i)
	}
	return append(n, 31, 32, 33, 63, 64, 65, 100, 257, 2*grain+77)
}

func checkElements(t *testing.T, f elements) {
	t.Helper()
	eachLevel(t, func(t *testing.T) {
		for _, n := range lengths() {
			if err := f.check(n, -1, -1); err != nil {
				t.Fatalf("%s: n=%d: %v", f.name, n, err)
			}
			for _, pair := range f.inPlace {
				if err := f.check(n, pair[0], pair[1]); err != nil {
					t.Fatalf("%s: n=%d, output %d is input %d: %v", f.name, n, pair[0], pair[1], err)
				}
			}
		}
		if err := f.specials(); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	})
}

// check compares one length with the reference; output o is input i unless
// negative.
func (f elements) check(n, o, i int) error {
	value := f.value
	if value == nil {
		value = normal(uint64(n))
	}
	var outs, ins []*guarded
	for k := range f.inputs {
		ins = append(ins, newGuarded(fmt.Sprint("input ", k), 1, n, n, value))
	}
	for k := range f.outputs {
		g := newGuarded(fmt.Sprint("output ", k), 1, n, n, normal(uint64(n+k+1)))
		if k == o {
			g = ins[i]
		}
		outs = append(outs, g)
	}
	call := func() [][]float32 {
		var out, in [][]float32
		for _, g := range outs {
			copy(g.all, g.before)
			out = append(out, g.x)
		}
		for _, g := range ins {
			in = append(in, g.x)
		}
		f.run(out, in)
		return out
	}
	out := call()
	for k, g := range ins {
		if err := g.check(k != i); err != nil {
			return err
		}
	}
	for _, g := range outs {
		if err := g.check(false); err != nil {
			return err
		}
	}
	old, in := make([]float64, f.outputs), make([]float64, f.inputs)
	for e := range n {
		for k, g := range ins {
			in[k] = float64(g.before[guard+e])
		}
		for k, g := range outs {
			old[k] = float64(g.before[guard+e])
		}
		want, bound := f.want(old, in)
		for k := range want {
			if got := float64(out[k][e]); !(math.Abs(got-want[k]) <= bound[k]+tiny) {
				return fmt.Errorf("output %d[%d] of %v (was %v) = %g, want %g ± %.2g", k, e, in, old, got, want[k], bound[k])
			}
		}
	}
	var first [][]float32
	for _, x := range out {
		first = append(first, slices.Clone(x))
	}
	return onThreads(func() error {
		for k, x := range call() {
			if err := sameBits(x, first[k]); err != nil {
				return fmt.Errorf("output %d, again: %w", k, err)
			}
		}
		return nil
	})
}

// specials compares NaN, infinities, zeros and numbers at the ends of the range in
// every input, with the others at 1, with the reference: the same NaN and Inf.
func (f elements) specials() error {
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.MaxFloat32, -math.MaxFloat32, tiny, -tiny}
	for k := range f.inputs {
		for _, v := range values {
			out, in := make([][]float32, f.outputs), make([][]float32, f.inputs)
			old, x := make([]float64, f.outputs), make([]float64, f.inputs)
			for o := range out {
				out[o] = []float32{0}
			}
			for i := range in {
				in[i], x[i] = []float32{1}, 1
			}
			in[k][0], x[k] = float32(v), v
			f.run(out, in)
			want, bound := f.want(old, x)
			for o := range out {
				got, want := float64(out[o][0]), float64(float32(want[o]))
				same := got == want || math.IsNaN(got) && math.IsNaN(want)
				if !same && !(math.Abs(got-want) <= bound[o]+tiny) {
					return fmt.Errorf("output %d of %v = %g, want %g", o, x, got, want)
				}
			}
		}
	}
	return nil
}

// onThreads calls f with one, two and five threads allowed.
func onThreads(f func() error) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, n := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(n)
		if err := f(); err != nil {
			return fmt.Errorf("GOMAXPROCS=%d: %w", n, err)
		}
	}
	return nil
}

// slope is the derivative of f at x by central differences in float64; for the
// functions here and |x| < 100 it errs by less than 1e-8.
func slope(f func(float64) float64, x float64) float64 {
	const h = 1e-5
	return (f(x+h) - f(x-h)) / (2 * h)
}

// wide draws numbers from -20 to 20 by seed.
func wide(seed uint64) func() float32 {
	value := normal(seed)
	return func() float32 { return max(-20, min(5*value(), 20)) }
}

// benchElements times f on 4096 elements, which stay in the first-level cache.
func benchElements(b *testing.B, slices int, f func(x [][]float32)) {
	const n = 4096
	var x [][]float32
	for i := range slices {
		x = append(x, newGuarded("x", 1, n, n, normal(uint64(i))).x)
	}
	eachLevelBench(b, func(b *testing.B) {
		b.SetBytes(4 * n)
		for b.Loop() {
			f(x)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
	})
}
