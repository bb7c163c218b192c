package work

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// TestCosts holds operations and bytes against those counted by hand.
func TestCosts(t *testing.T) {
	const d, r, m = 48, 4, 10
	for _, test := range []struct {
		name              string
		w                 *Work
		flops, bytes, set float64
	}{
		{"matmul", MatMul(kernels.NT, m, d, r), 2 * m * d * r, 4 * (m*r + d*r + m*d), 4 * (m*r + d*r + m*d)},
		{"forward", LowRankForward(d, r, m), 4 * m * d * r, 4 * (3*m*d + 2*r*d + m*r), 4 * (2*m*d + 2*r*d + m*r)},
		{"backward", LowRankBackward(d, r, m), 8 * m * d * r, 4 * (4*m*d + 4*r*d + 2*m*r), 4 * (3*m*d + 4*r*d + 2*m*r)},
		{"adapted forward", AdaptedForward(d, r, m), 2 * m * d * (d + 2*r), 4 * (2*m*d + d*d + 2*r*d + m*r), 4 * (2*m*d + d*d + 2*r*d + m*r)},
		{"adapted backward", AdaptedBackward(d, r, m), 2 * m * d * (d + 4*r), 4 * (3*m*d + d*d + 4*r*d + 2*m*r), 4 * (3*m*d + d*d + 4*r*d + 2*m*r)},
		{"attention", AttentionForward(m, 2, 8), 4 * 16 * m * (m + 1) / 2, 4 * 4 * m * 16, 4 * 4 * m * 16},
	} {
		if test.w.Flops != test.flops || test.w.Bytes != test.bytes || test.w.Set != test.set {
			t.Errorf("%s: %g operations, %g bytes of %g; want %g, %g of %g", test.name, test.w.Flops, test.w.Bytes, test.w.Set, test.flops, test.bytes, test.set)
		}
	}
}

// TestAdaptedIsBaseAndLowRank: the whole map is the product and the low-rank
// products together, forward and backward.
func TestAdaptedIsBaseAndLowRank(t *testing.T) {
	const d, r, m = 48, 4, 10
	for _, test := range []struct {
		name                string
		whole, base, beside *Work
		out                 int // of the output that both parts add to
	}{
		{"forward", AdaptedForward(d, r, m), MatMulPacked(kernels.NT, m, d, d), LowRankForward(d, r, m), 1},
		{"backward", AdaptedBackward(d, r, m), nil, LowRankBackward(d, r, m), 1},
	} {
		test.whole.Result()
		test.beside.Result()
		base := make([]float32, m*d)
		if test.base != nil {
			base = test.base.Result()
		} else {
			kernels.MatMul(kernels.NN, false, m, d, d, operand(peers.DY, m*d), d, operand(peers.W, d*d), d, base, d)
		}
		for o, x := range test.whole.Outputs {
			for i, got := range x {
				want := test.beside.Outputs[o][i]
				if o == test.out {
					want += base[i]
				}
				if math.Abs(float64(got-want)) > 1e-4 { // sums of about 100 products below 2
					t.Fatalf("%s: output %d, element %d is %g, want %g", test.name, o, i, got, want)
				}
			}
		}
	}
}

// TestLoops: every loop runs, and leaves numbers.
func TestLoops(t *testing.T) {
	for _, l := range Loops {
		w := l.Make(4 * l.arrays * Row * 2)
		if w.Bytes != float64(4*l.passes*Row*2) {
			t.Errorf("%s: %g bytes", l.Name, w.Bytes)
		}
		for range 3 {
			w.Run()
		}
	}
}

// TestDecoded: a product with a decoded weight is near the one with the weight
// itself.
func TestDecoded(t *testing.T) {
	const m, n, k = 4, 8, 64
	exact, err := Decoded(kernels.F32, m, n, k)
	if err != nil {
		t.Fatal(err)
	}
	want := exact.Result()
	for format, tolerance := range map[kernels.Dtype]float64{kernels.BF16: 0.05, kernels.F16: 0.01, kernels.Int8: 0.1, kernels.NF4: 2} {
		w, err := Decoded(format, m, n, k)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range w.Result() {
			if math.Abs(float64(got-want[i])) > tolerance { // half a step of the format × √64 × 4
				t.Errorf("%v: element %d is %g, want about %g", format, i, got, want[i])
			}
		}
	}
}
