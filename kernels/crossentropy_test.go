package kernels

import (
	"math"
	"testing"
)

func lossOf(target int32) func(x []float64) []float64 {
	return func(x []float64) []float64 {
		return []float64{-math.Log(softmaxOf(x)[target])}
	}
}

// The loss is float64 until it is rounded, but each difference and its exp errs by
// 20 units (numbers of 20 at most).
func TestCrossEntropy(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range append(rowSizes(), rowSize{2, 1500, 1}) {
			x := newGuarded("logits", s.rows, s.n, s.n+s.pad, wide(1))
			d := newGuarded("dlogits", s.rows, s.n, s.n+2*s.pad, normal(2))
			loss := newGuarded("loss", 1, s.rows, s.rows, normal(3))
			alone := newGuarded("loss", 1, s.rows, s.rows, normal(3))
			targets := make([]int32, s.rows)
			var wantLoss, want []float64
			for i := range targets {
				targets[i] = int32(i*7%(s.n+1)) - 1 // the first is ignored
				if targets[i] < 0 {
					wantLoss, want = append(wantLoss, 0), append(want, make([]float64, s.n)...)
					continue
				}
				f := lossOf(targets[i])
				wantLoss = append(wantLoss, f(x.doubles(i))[0])
				if s.n > 1000 {
					p := softmaxOf(x.doubles(i))
					p[targets[i]]--
					want = append(want, p...)
				} else {
					want = append(want, gradient(f, x.doubles(i), []float64{1})...)
				}
			}
			CrossEntropy(s.rows, s.n, x.x, x.ld, targets, loss.x, d.x, d.ld)
			checkRows(t, s, loss, wantLoss, 40*unit+40*unit)
			checkRows(t, s, d, want, 8*unit+1e-8)
			CrossEntropy(s.rows, s.n, x.x, x.ld, targets, alone.x, nil, 0)
			checkRows(t, s, alone, wantLoss, 40*unit+40*unit)
			checkReadOnly(t, s, x)
			CrossEntropy(s.rows, s.n, x.x, x.ld, targets, alone.x, x.x, x.ld)
			checkRows(t, s, x, want, 8*unit+1e-8)
		}
	})
}

// A target that is nearly certain must keep a gradient: p-1 is not 0 before p is 1.
func TestCrossEntropyCertain(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		x, loss, d := []float32{18, 0}, make([]float32, 1), make([]float32, 2)
		CrossEntropy(1, 2, x, 2, []int32{0}, loss, d, 2)
		want := math.Exp(-18) / (1 + math.Exp(-18))
		if got := -float64(d[0]); !(math.Abs(got-want) <= 1e-4*want) {
			t.Errorf("gradient of the target %g, want %g", -got, -want)
		}
		if got := float64(loss[0]); !(math.Abs(got-math.Log1p(math.Exp(-18))) <= 1e-4*want) {
			t.Errorf("loss %g, want %g", got, math.Log1p(math.Exp(-18)))
		}
	})
}

func TestCrossEntropyBits(t *testing.T) {
	const rows, n = 300, 200
	x, loss, targets := newGuarded("x", rows, n, n, normal(1)).x, make([]float32, rows), make([]int32, rows)
	eachLevel(t, func(t *testing.T) {
		checkBatch(t, rows, n, func(first, rows int, d []float32) {
			CrossEntropy(rows, n, x[first*n:], n, targets[first:], loss[first:], d, n)
		})
		checkBatch(t, rows, 1, func(first, rows int, loss []float32) {
			CrossEntropy(rows, n, x[first*n:], n, targets[first:], loss, nil, 0)
		})
	})
}

func BenchmarkCrossEntropy(b *testing.B) {
	targets := make([]int32, 64)
	benchRows(b, func(rows, n int, x [][]float32) {
		CrossEntropy(rows, n, x[0], n, targets, x[2], x[1], n)
	})
}
