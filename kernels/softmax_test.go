package kernels

import (
	"math"
	"testing"
)

func softmaxOf(x []float64) []float64 {
	top, total := math.Inf(-1), 0.0
	for _, v := range x {
		top = max(top, v)
	}
	y := make([]float64, len(x))
	for j, v := range x {
		y[j] = math.Exp(v - top)
		total += y[j]
	}
	for j := range y {
		y[j] /= total
	}
	return y
}

// For numbers of 20 at most a difference errs by 20 units, and so does its exp in
// relation to itself; y ≤ 1. With p·ln p > -0.4 that is 8 units in all.
func TestSoftmax(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range rowSizes() {
			x := newGuarded("x", s.rows, s.n, s.n+s.pad, wide(1))
			y := newGuarded("y", s.rows, s.n, s.n+2*s.pad, normal(2))
			Softmax(s.rows, s.n, x.x, x.ld, y.x, y.ld)
			var want []float64
			for i := range s.rows {
				want = append(want, softmaxOf(x.doubles(i))...)
			}
			checkRows(t, s, y, want, 8*unit)
			checkReadOnly(t, s, x)

			for _, acc := range []bool{false, true} {
				dy := newGuarded("dy", s.rows, s.n, s.n+s.pad, normal(5))
				dx := newGuarded("dx", s.rows, s.n, s.n+3*s.pad, normal(6))
				y.freeze()
				SoftmaxGrad(s.rows, s.n, y.x, y.ld, dy.x, dy.ld, dx.x, dx.ld, acc)
				checkReadOnly(t, s, y, dy)
				var want []float64
				for i := range s.rows {
					if i == 3 {
						dx.rows = 3
						break
					}
					for j, d := range gradient(softmaxOf, x.doubles(i), dy.doubles(i)) {
						want = append(want, d+dx.was(acc, i, j))
					}
				}
				checkRows(t, s, dx, want, 100*unit+1e-8) // 20 units of y times dy, |dy| < 5
				if !acc {
					SoftmaxGrad(s.rows, s.n, y.x, y.ld, dy.x, dy.ld, dy.x, dy.ld, false)
					dy.rows = dx.rows
					checkRows(t, s, dy, want, 100*unit+1e-8)
				}
			}
			Softmax(s.rows, s.n, x.x, x.ld, x.x, x.ld)
			checkRows(t, s, x, want, 8*unit)
		}
	})
}

func TestSoftmaxSpecials(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	eachLevel(t, func(t *testing.T) {
		for _, c := range []struct{ x, want []float32 }{
			{[]float32{1, nan, 2}, []float32{nan, nan, nan}},
			{[]float32{-inf, -inf}, []float32{nan, nan}},
			{[]float32{-inf, 3, 3, -inf}, []float32{0, 0.5, 0.5, 0}},
			{[]float32{3e38, -3e38}, []float32{1, 0}},
			{[]float32{1, inf}, []float32{nan, nan}},
		} {
			y := make([]float32, len(c.x))
			Softmax(1, len(y), c.x, len(y), y, len(y))
			for j, v := range y {
				if v != c.want[j] && !(v != v && c.want[j] != c.want[j]) {
					t.Errorf("softmax(%v) = %v, want %v", c.x, y, c.want)
					break
				}
			}
		}
	})
}

func TestSoftmaxBits(t *testing.T) {
	const rows, n = 300, 200
	x, dy := newGuarded("x", rows, n, n, normal(1)).x, newGuarded("dy", rows, n, n, normal(3)).x
	eachLevel(t, func(t *testing.T) {
		checkBatch(t, rows, n, func(first, rows int, y []float32) { Softmax(rows, n, x[first*n:], n, y, n) })
		checkBatch(t, rows, n, func(first, rows int, dx []float32) {
			SoftmaxGrad(rows, n, x[first*n:], n, dy[first*n:], n, dx, n, false)
		})
	})
}

func BenchmarkSoftmax(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) { Softmax(rows, n, x[0], n, x[1], n) })
}

func BenchmarkSoftmaxGrad(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) { SoftmaxGrad(rows, n, x[0], n, x[1], n, x[2], n, false) })
}
