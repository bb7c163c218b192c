package kernels

import (
	"math"
	"testing"
)

func TestVectors(t *testing.T) {
	const alpha = float32(-1.7)
	one := func(want, bound float64) ([]float64, []float64) { return []float64{want}, []float64{bound} }
	for _, f := range []elements{
		{name: "Axpy", outputs: 1, inputs: 1,
			run: func(out, in [][]float32) { Axpy(alpha, in[0], out[0]) },
			want: func(old, in []float64) ([]float64, []float64) {
				a := float64(alpha) * in[0] // a product and a sum
				return one(old[0]+a, 2*unit*(math.Abs(a)+math.Abs(old[0])))
			}},
		{name: "Scale", outputs: 1, inputs: 0,
			run: func(out, in [][]float32) { Scale(alpha, out[0]) },
			want: func(old, in []float64) ([]float64, []float64) {
				return one(float64(alpha)*old[0], unit*math.Abs(float64(alpha)*old[0]))
			}},
		{name: "Add", outputs: 1, inputs: 2, inPlace: [][2]int{{0, 0}, {0, 1}},
			run: func(out, in [][]float32) { Add(out[0], in[0], in[1]) },
			want: func(old, in []float64) ([]float64, []float64) {
				return one(in[0]+in[1], unit*math.Abs(in[0]+in[1]))
			}},
		{name: "Mul", outputs: 1, inputs: 2, inPlace: [][2]int{{0, 0}, {0, 1}},
			run: func(out, in [][]float32) { Mul(out[0], in[0], in[1]) },
			want: func(old, in []float64) ([]float64, []float64) {
				return one(in[0]*in[1], unit*math.Abs(in[0]*in[1]))
			}},
		{name: "MulAdd", outputs: 1, inputs: 2, inPlace: [][2]int{{0, 0}, {0, 1}},
			run: func(out, in [][]float32) { MulAdd(out[0], in[0], in[1]) },
			want: func(old, in []float64) ([]float64, []float64) {
				return one(old[0]+in[0]*in[1], 2*unit*(math.Abs(old[0])+math.Abs(in[0]*in[1])))
			}},
	} {
		t.Run(f.name, func(t *testing.T) { checkElements(t, f) })
	}
}

// The bound is that of n additions in float64; the order is fixed by the length.
func TestDot(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, n := range lengths() {
			x, y := newGuarded("x", 1, n, n, normal(1)), newGuarded("y", 1, n, n, normal(2))
			var xy, xx, size float64
			for i, v := range x.x {
				p := float64(v) * float64(y.x[i])
				xy += p
				size += math.Abs(p)
				xx += float64(v) * float64(v)
			}
			if got := Dot(x.x, y.x); !(math.Abs(got-xy) <= 2*float64(n)*0x1p-53*size) {
				t.Errorf("Dot: n=%d: %v, want %v", n, got, xy)
			}
			if got := SumSquares(x.x); !(math.Abs(got-xx) <= 2*float64(n)*0x1p-53*xx) {
				t.Errorf("SumSquares: n=%d: %v, want %v", n, got, xx)
			}
		}
	})
}

// A sum must not start again where memory does: the same numbers at another
// address, and with others behind them, give the same bits.
func TestDotPlace(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		x := newGuarded("x", 1, 300, 300, normal(3)).x
		for n := range 200 {
			want := SumSquares(x[:n])
			for shift := 1; shift < 9; shift++ {
				moved := make([]float32, shift+n, shift+n+9)
				copy(moved[shift:], x)
				if got := SumSquares(moved[shift:]); got != want {
					t.Fatalf("n=%d, moved by %d: %v, want %v", n, shift, got, want)
				}
			}
		}
	})
}

func TestMaximum(t *testing.T) {
	nan := float32(math.NaN())
	eachLevel(t, func(t *testing.T) {
		for _, n := range lengths() {
			x := newGuarded("x", 1, n, n, func() float32 { return -3 })
			for at := range min(n, 100) {
				x.x[at] = -2
				if at+1 < n {
					x.x[at+1] = nan
				}
				if got := maximum(x.x); got != -2 {
					t.Fatalf("n=%d, largest at %d: %v, want -2", n, at, got)
				}
				x.x[at] = nan
			}
		}
		if got := maximum([]float32{nan}); !math.IsInf(float64(got), -1) {
			t.Errorf("of NaN: %v, want -Inf", got)
		}
	})
}

func TestScaleRowsAndCols(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range rowSizes() {
			for _, acc := range []bool{false, true} {
				x := newGuarded("x", s.rows, s.n, s.n+s.pad, normal(1))
				byRow := newGuarded("y", s.rows, s.n, s.n+2*s.pad, normal(2))
				byCol := newGuarded("y", s.rows, s.n, s.n+2*s.pad, normal(2))
				g, h := newGuarded("g", 1, s.rows, s.rows, normal(3)), newGuarded("g", 1, s.n, s.n, normal(4))
				ScaleRows(s.rows, s.n, x.x, x.ld, g.x, byRow.x, byRow.ld, acc)
				ScaleCols(s.rows, s.n, x.x, x.ld, h.x, byCol.x, byCol.ld, acc)
				product := func(y *guarded, factor func(i, j int) float32) ([]float64, float64) {
					want := make([]float64, 0, s.rows*s.n)
					for i := range s.rows {
						for j := range s.n {
							w := float64(factor(i, j)) * float64(x.x[i*x.ld+j])
							if acc {
								w += float64(y.before[guard+i*y.ld+j])
							}
							want = append(want, w)
						}
					}
					return want, 2 * unit * 25 // a product of normal numbers and a sum
				}
				want, bound := product(byRow, func(i, j int) float32 { return g.x[i] })
				checkRows(t, s, byRow, want, bound)
				want, bound = product(byCol, func(i, j int) float32 { return h.x[j] })
				checkRows(t, s, byCol, want, bound)
				checkReadOnly(t, s, x, g, h)
			}
		}
	})
}

func BenchmarkAxpy(b *testing.B) {
	benchElements(b, 2, func(x [][]float32) { Axpy(1e-9, x[0], x[1]) })
}

func BenchmarkMul(b *testing.B) {
	benchElements(b, 3, func(x [][]float32) { Mul(x[0], x[1], x[2]) })
}

func BenchmarkDot(b *testing.B) {
	benchElements(b, 2, func(x [][]float32) { Dot(x[0], x[1]) })
}

func BenchmarkAdd(b *testing.B) {
	benchElements(b, 3, func(x [][]float32) { Add(x[0], x[1], x[2]) })
}

func BenchmarkScaleCols(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) { ScaleCols(rows, n, x[0], n, x[1], x[2], n, false) })
}
