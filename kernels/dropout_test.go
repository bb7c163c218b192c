package kernels

import (
	"fmt"
	"math"
	"testing"
)

// The known answers of Random123's philox4x32 with 7 rounds.
func TestPhilox(t *testing.T) {
	for _, c := range []struct {
		block, counter, seed uint64
		want                 [4]uint32
	}{
		{0, 0, 0, [4]uint32{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}},
		{math.MaxUint64, math.MaxUint64, math.MaxUint64, [4]uint32{0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}},
		{0x85a308d3243f6a88, 0x0370734413198a2e, 0x299f31d0a4093822, [4]uint32{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}},
	} {
		table := newDropoutTable(0.5, c.seed, c.counter, false)
		if got := table.philox(c.block); got != c.want {
			t.Errorf("philox(%#x, %#x, %#x) = %#x, want %#x", c.block, c.counter, c.seed, got, c.want)
		}
	}
}

// Every level drops the same elements, in all lengths up to some groups and where
// threads share, whether into another slice or in place, and the gradient again;
// the bits of a shorter call are those of a longer one.
func TestDropout(t *testing.T) {
	const p, seed, counter = 0.3, 0x1234567890abcdef, 0xfedcba0987654321
	most := 2*grain + 77
	x := newGuarded("x", 1, most, most, normal(1))
	want := make([]float32, most)
	table := newDropoutTable(p, seed, counter, false)
	dropoutGeneric(want, x.x, &table, 0)
	eachLevel(t, func(t *testing.T) {
		for _, n := range append(lengths(), 127, 128, 129, 191, 192) {
			err := onThreads(func() error {
				y := newGuarded("y", 1, n, n, normal(2))
				Dropout(y.x, x.x[:n], p, seed, counter)
				if err := sameBits(y.x, want[:n]); err != nil {
					return err
				}
				if err := y.check(false); err != nil {
					return err
				}
				DropoutGrad(y.x, x.x[:n], p, seed, counter, true)
				for i, v := range y.x {
					if v != 2*want[i] {
						return fmt.Errorf("added twice: element %d is %v, want %v", i, v, 2*want[i])
					}
				}
				y = newGuarded("y", 1, n, n, normal(1))
				DropoutGrad(y.x, y.x, p, seed, counter, false)
				return sameBits(y.x, want[:n])
			})
			if err != nil {
				t.Fatalf("n=%d: %v", n, err)
			}
		}
		if err := x.check(true); err != nil {
			t.Error(err)
		}
	})
}

// Groups whose blocks have numbers of more than 32 bits, and one in which they come to
// have them.
func TestDropoutBlocks(t *testing.T) {
	x := newGuarded("x", 1, 2*dropoutGroup, 2*dropoutGroup, normal(1)).x
	table := newDropoutTable(0.5, 1, 2, false)
	eachLevel(t, func(t *testing.T) {
		for _, block := range []uint64{1<<32 - 1, 1<<32 - 12, 1<<33 - 26, 0x123456789abcdef0} {
			got, want := make([]float32, len(x)), make([]float32, len(x))
			dropoutGroups(got, x, &table, block)
			dropoutGeneric(want, x, &table, block)
			if err := sameBits(got, want); err != nil {
				t.Errorf("from block %#x: %v", block, err)
			}
		}
	})
}

// The share dropped is p within five deviations, for each seed and counter anew;
// what is kept is scaled, NaN that is dropped is 0, and p = 0 drops nothing.
func TestDropoutShare(t *testing.T) {
	const n = 1 << 18
	eachLevel(t, func(t *testing.T) {
		x, y, other := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = 1
		}
		for _, p := range []float64{0, 0.1, 0.5, 0.9} {
			Dropout(y, x, p, 1, 2)
			dropped := 0
			for _, v := range y {
				if v == 0 {
					dropped++
				} else if v != float32(1/(1-p)) {
					t.Fatalf("p=%g: %v is neither 0 nor 1/(1-p)", p, v)
				}
			}
			if d := math.Abs(float64(dropped) - n*p); d > 5*math.Sqrt(n*p*(1-p)) {
				t.Errorf("p=%g: %d of %d dropped", p, dropped, n)
			}
		}
		Dropout(y, x, 0.5, 1, 2)
		for _, next := range [][2]uint64{{2, 2}, {1, 3}, {1 + 1<<32, 2}, {1, 2 + 1<<32}} {
			Dropout(other, x, 0.5, next[0], next[1])
			same := 0
			for i := range y {
				if y[i] == other[i] {
					same++
				}
			}
			if d := math.Abs(float64(same) - n/2); d > 5*math.Sqrt(n/4) {
				t.Errorf("seed and counter %v: %d of %d elements as with 1, 2", next, same, n)
			}
		}
		for i := range x {
			x[i] = float32(math.NaN())
		}
		Dropout(x, x, 0.5, 1, 2)
		for i := range x {
			if (x[i] == 0) != (y[i] == 0) {
				t.Fatalf("element %d: NaN becomes %v where 1 becomes %v", i, x[i], y[i])
			}
		}
	})
}

func TestDropoutArguments(t *testing.T) {
	x := make([]float32, 3)
	for want, call := range map[string]func(){
		"kernels: Dropout: len(x) = 2, need 3 (len(y))":       func() { Dropout(x, x[:2], 0, 0, 0) },
		"kernels: Dropout: p = 1, need 0 ≤ p < 1":             func() { Dropout(x, x, 1, 0, 0) },
		"kernels: Dropout: p = NaN, need 0 ≤ p < 1":           func() { Dropout(x, x, math.NaN(), 0, 0) },
		"kernels: DropoutGrad: len(dy) = 2, need 3 (len(dx))": func() { DropoutGrad(x, x[:2], 0, 0, 0, true) },
		"kernels: DropoutGrad: p = -0.5, need 0 ≤ p < 1":      func() { DropoutGrad(x, x, -0.5, 0, 0, true) },
	} {
		if got := panics(call); got != want {
			t.Errorf("panics with %q, want %q", got, want)
		}
	}
}

func TestDropoutAllocations(t *testing.T) {
	x := make([]float32, 3*grain)
	if n := testing.AllocsPerRun(10, func() { Dropout(x, x, 0.1, 1, 2) }); n != 0 {
		t.Errorf("%g allocations, want none", n)
	}
}

func BenchmarkDropout(b *testing.B) {
	benchElements(b, 2, func(x [][]float32) { Dropout(x[0], x[1], 0.1, 1, 2) })
}
