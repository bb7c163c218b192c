package kernels

import (
	"math"
	"testing"
)

const normEps = 1e-5

func rmsNorm(w []float64) func(x []float64) []float64 {
	return func(x []float64) []float64 {
		var s float64
		for _, v := range x {
			s += v * v
		}
		inv := 1 / math.Sqrt(s/float64(len(x))+normEps)
		y := make([]float64, len(x))
		for j, v := range x {
			y[j] = v * inv * w[j]
		}
		return y
	}
}

func layerNorm(w, b []float64) func(x []float64) []float64 {
	return func(x []float64) []float64 {
		var mean, s float64
		for _, v := range x {
			mean += v / float64(len(x))
		}
		for _, v := range x {
			s += (v - mean) * (v - mean)
		}
		inv := 1 / math.Sqrt(s/float64(len(x))+normEps)
		y := make([]float64, len(x))
		for j, v := range x {
			y[j] = (v-mean)*inv*w[j] + b[j]
		}
		return y
	}
}

// y rounds three times and, of normal numbers, is below 25. dx is a sum of three
// such terms; inv, which multiplies it, is below 4 but in rows of one or two
// elements, and the differences err by 1e-7 there.
const (
	normBound     = 4 * unit * 25
	normGradBound = 3*4*unit*25 + 1e-7
)

func TestRMSNorm(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range rowSizes() {
			x := newGuarded("x", s.rows, s.n, s.n+s.pad, normal(1))
			y := newGuarded("y", s.rows, s.n, s.n+2*s.pad, normal(2))
			w, inv := newGuarded("w", 1, s.n, s.n, normal(3)), newGuarded("inv", 1, s.rows, s.rows, normal(4))
			RMSNorm(s.rows, s.n, x.x, x.ld, w.x, normEps, y.x, y.ld, inv.x)
			var want []float64
			for i := range s.rows {
				want = append(want, rmsNorm(w.doubles(0))(x.doubles(i))...)
			}
			checkRows(t, s, y, want, normBound)
			checkReadOnly(t, s, x, w)
			inv.freeze()

			for _, acc := range []bool{false, true} {
				dy := newGuarded("dy", s.rows, s.n, s.n+s.pad, normal(5))
				dx := newGuarded("dx", s.rows, s.n, s.n+3*s.pad, normal(6))
				dw := newGuarded("dw", 1, s.n, s.n, normal(7))
				RMSNormGrad(s.rows, s.n, x.x, x.ld, w.x, inv.x, dy.x, dy.ld, dx.x, dx.ld, acc, dw.x)
				checkNormGrad(t, s, acc, x, dy, dx, func(i int) func([]float64) []float64 { return rmsNorm(w.doubles(0)) })
				checkWeightGrad(t, s, dw, w, func(w []float64) []float64 {
					var all []float64
					for i := range s.rows {
						all = append(all, rmsNorm(w)(x.doubles(i))...)
					}
					return all
				}, dy)
				checkReadOnly(t, s, x, w, inv, dy)
			}
		}
	})
}

func TestLayerNorm(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range rowSizes() {
			x := newGuarded("x", s.rows, s.n, s.n+s.pad, normal(1))
			y := newGuarded("y", s.rows, s.n, s.n+2*s.pad, normal(2))
			w, b := newGuarded("w", 1, s.n, s.n, normal(3)), newGuarded("b", 1, s.n, s.n, normal(8))
			mean, inv := newGuarded("mean", 1, s.rows, s.rows, normal(4)), newGuarded("inv", 1, s.rows, s.rows, normal(4))
			LayerNorm(s.rows, s.n, x.x, x.ld, w.x, b.x, normEps, y.x, y.ld, mean.x, inv.x)
			var want []float64
			for i := range s.rows {
				want = append(want, layerNorm(w.doubles(0), b.doubles(0))(x.doubles(i))...)
			}
			checkRows(t, s, y, want, normBound)
			checkReadOnly(t, s, x, w, b)
			mean.freeze()
			inv.freeze()

			for _, acc := range []bool{false, true} {
				dy := newGuarded("dy", s.rows, s.n, s.n+s.pad, normal(5))
				dx := newGuarded("dx", s.rows, s.n, s.n+3*s.pad, normal(6))
				dw, db := newGuarded("dw", 1, s.n, s.n, normal(7)), newGuarded("db", 1, s.n, s.n, normal(9))
				LayerNormGrad(s.rows, s.n, x.x, x.ld, w.x, mean.x, inv.x, dy.x, dy.ld, dx.x, dx.ld, acc, dw.x, db.x)
				checkNormGrad(t, s, acc, x, dy, dx, func(i int) func([]float64) []float64 {
					return layerNorm(w.doubles(0), b.doubles(0))
				})
				whole := func(w, b []float64) []float64 {
					var all []float64
					for i := range s.rows {
						all = append(all, layerNorm(w, b)(x.doubles(i))...)
					}
					return all
				}
				checkWeightGrad(t, s, dw, w, func(w []float64) []float64 { return whole(w, b.doubles(0)) }, dy)
				checkWeightGrad(t, s, db, b, func(b []float64) []float64 { return whole(w.doubles(0), b) }, dy)
				checkReadOnly(t, s, x, w, b, mean, inv, dy)
			}
		}
	})
}

// checkNormGrad compares dx with the differences of each row's function.
func checkNormGrad(t *testing.T, s rowSize, acc bool, x, dy, dx *guarded, f func(i int) func([]float64) []float64) {
	t.Helper()
	var want []float64
	for i := range s.rows {
		if i == 3 { // of many equal cases
			dx.rows = 3
			break
		}
		for j, d := range gradient(f(i), x.doubles(i), dy.doubles(i)) {
			want = append(want, d+dx.was(acc, i, j))
		}
	}
	checkRows(t, s, dx, want, normGradBound)
}

// checkWeightGrad compares dw, which is always added to, with the derivative of the
// function that the weights have of all rows. It is linear in them and element j
// depends on weight j alone, so a difference of step 1 has no error.
func checkWeightGrad(t *testing.T, s rowSize, dw, w *guarded, f func(w []float64) []float64, dy *guarded) {
	t.Helper()
	base, moved := w.doubles(0), w.doubles(0)
	for j := range moved {
		moved[j]++
	}
	from, to := f(base), f(moved)
	want, size := make([]float64, s.n), 1.0
	for j := range want {
		want[j] = dw.was(true, 0, j)
		for i := range s.rows {
			term := float64(dy.x[i*dy.ld+j]) * (to[i*s.n+j] - from[i*s.n+j])
			want[j] += term
			size = max(size, math.Abs(want[j]), math.Abs(term))
		}
	}
	// Each row rounds its term and the sum, four times in all.
	checkRows(t, s, dw, want, 4*unit*float64(s.rows+1)*size)
}

// A mean of a thousand deviations costs three digits of each element, and none of
// the sums.
func TestLayerNormOffset(t *testing.T) {
	const n = 96
	eachLevel(t, func(t *testing.T) {
		value := normal(1)
		x := newGuarded("x", 1, n, n, func() float32 { return 1000 + value() })
		y := newGuarded("y", 1, n, n, value)
		ones, zeros := newGuarded("w", 1, n, n, func() float32 { return 1 }), make([]float32, n)
		var mean, inv [1]float32
		LayerNorm(1, n, x.x, n, ones.x, zeros, normEps, y.x, n, mean[:], inv[:])
		want := layerNorm(ones.doubles(0), make([]float64, n))(x.doubles(0))
		checkRows(t, rowSize{1, n, 0}, y, want, 2*unit*1000)
	})
}

func TestNormBits(t *testing.T) {
	const rows, n = 300, 200
	x, w := newGuarded("x", rows, n, n, normal(1)).x, newGuarded("w", 1, n, n, normal(2)).x
	dy := newGuarded("dy", rows, n, n, normal(3)).x
	eachLevel(t, func(t *testing.T) {
		mean, inv := make([]float32, rows), make([]float32, rows)
		checkBatch(t, rows, n, func(first, rows int, y []float32) {
			RMSNorm(rows, n, x[first*n:], n, w, normEps, y, n, inv[first:])
		})
		checkBatch(t, rows, n, func(first, rows int, dx []float32) {
			RMSNormGrad(rows, n, x[first*n:], n, w, inv[first:], dy[first*n:], n, dx, n, false, nil)
		})
		checkBatch(t, rows, n, func(first, rows int, y []float32) {
			LayerNorm(rows, n, x[first*n:], n, w, w, normEps, y, n, mean[first:], inv[first:])
		})
		checkBatch(t, rows, n, func(first, rows int, dx []float32) {
			LayerNormGrad(rows, n, x[first*n:], n, w, mean[first:], inv[first:], dy[first*n:], n, dx, n, false, nil, nil)
		})
		want := make([]float32, 2*n)
		LayerNormGrad(rows, n, x, n, w, mean, inv, dy, n, nil, 0, false, want[:n], want[n:])
		err := onThreads(func() error {
			got := make([]float32, 2*n)
			LayerNormGrad(rows, n, x, n, w, mean, inv, dy, n, nil, 0, false, got[:n], got[n:])
			return sameBits(got, want)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func benchRows(b *testing.B, f func(rows, n int, x [][]float32)) {
	const rows, n = 64, 768
	var x [][]float32
	for i := range 5 {
		x = append(x, newGuarded("x", rows, n, n, normal(uint64(i))).x)
	}
	eachLevelBench(b, func(b *testing.B) {
		b.SetBytes(4 * rows * n)
		for b.Loop() {
			f(rows, n, x)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rows*n), "ns/element")
	})
}

func BenchmarkRMSNorm(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) { RMSNorm(rows, n, x[0], n, x[1], normEps, x[2], n, x[3]) })
}

func BenchmarkRMSNormGrad(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) {
		RMSNormGrad(rows, n, x[0], n, x[1], x[3], x[2], n, x[4], n, false, nil)
	})
}

func BenchmarkLayerNorm(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) {
		LayerNorm(rows, n, x[0], n, x[1], x[1], normEps, x[2], n, x[3], x[4])
	})
}

func BenchmarkLayerNormGrad(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) {
		LayerNormGrad(rows, n, x[0], n, x[1], x[3], x[3], x[2], n, x[4], n, false, nil, nil)
	})
}
