package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Each element is the nearest of its block's sixteen numbers, a tie goes down, and
// rounding again changes nothing.
func TestRoundNF4(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * float32(1+i/nf4Block)
		}
		if n > 5 {
			clear(x[:min(n, nf4Block)]) // a block of zeros
		}
		got := append([]float32(nil), x...)
		if err := RoundNF4(got); err != nil {
			t.Fatal(err)
		}
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
		again := append([]float32(nil), got...)
		if err := RoundNF4(again); err != nil {
			t.Fatal(err)
		}
		for i, v := range again {
			if v != got[i] {
				t.Fatalf("%d: %v is rounded again, to %v", n, got[i], v)
			}
		}
	}
	x := []float32{1, float32(math.NaN())}
	if err := RoundNF4(x); err == nil || x[0] != 1 {
		t.Errorf("a NaN: %v, %v", err, x)
	}
}
