package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Each element is the nearest of its block's sixteen numbers, a tie goes down, and
// rounding again changes nothing.
func TestQuantizeNF4Once(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * float32(1+i/nf4Block)
		}
		if n > 5 {
			clear(x[:min(n, nf4Block)]) // a block of zeros
		}
		got := roundedOnce(t, x)
		for i, v := range got {
			block := x[i/nf4Block*nf4Block : min(n, (i/nf4Block+1)*nf4Block)]
			largest := 0.0
			for _, b := range block {
				largest = max(largest, math.Abs(float64(b)))
			}
			best := math.Inf(1)
			for _, number := range nf4 {
				best = min(best, math.Abs(float64(x[i])-float64(number)*largest))
			}
			// A unit of float32 in the quotient and one in the product.
			if off := math.Abs(float64(v - x[i])); off > best+4*unit*largest {
				t.Fatalf("%d: %v of %v becomes %v, off by %v: %v is nearest", n, x[i], largest, v, off, best)
			}
		}
		for i, v := range roundedOnce(t, got) {
			if v != got[i] {
				t.Fatalf("%d: %v is rounded again, to %v", n, got[i], v)
			}
		}
	}
	if _, err := QuantizeNF4Once(1, 2, []float32{1, float32(math.NaN())}, 2); err == nil {
		t.Error("a NaN is no error")
	}
}

func roundedOnce(t *testing.T, x []float32) []float32 {
	t.Helper()
	w, err := QuantizeNF4Once(1, len(x), x, len(x))
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, len(x))
	DecodeNF4(w, y, len(y))
	return y
}
