package kernels

import (
	"math"
	"testing"
)

// A rotation is two products and a sum, of numbers below 6.
func TestRoPE(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, c := range []struct{ rows, heads, dim, pad int }{
			{0, 2, 4, 0}, {3, 0, 4, 0}, {3, 2, 0, 0}, {1, 1, 2, 1}, {3, 2, 6, 3}, {2, 3, 14, 0}, {5, 2, 16, 5},
			{2, 1, 18, 1}, {3, 4, 34, 2}, {7, 3, 64, 0}, {2, 2, 128, 9}, {200, 3, 64, 0},
		} {
			s, h := rowSize{c.rows, c.heads * c.dim, c.pad}, c.dim/2
			angle := newGuarded("angle", c.rows, h, h, normal(1))
			cos, sin := newGuarded("cos", c.rows, h, h, normal(1)), newGuarded("sin", c.rows, h, h, normal(1))
			for i, a := range angle.x {
				cos.x[i], sin.x[i] = float32(math.Cos(float64(a))), float32(math.Sin(float64(a)))
			}
			cos.freeze()
			sin.freeze()
			turned := func(sign float64, x *guarded, was func(i, j int) float64) []float64 {
				want := make([]float64, 0, s.rows*s.n)
				for i := range s.rows {
					for j := range s.n {
						part := j % c.dim
						co, si := float64(cos.x[i*h+part%h]), sign*float64(sin.x[i*h+part%h])
						other := j + h
						if part >= h {
							other, si = j-h, -si
						}
						want = append(want, was(i, j)+float64(x.x[i*x.ld+j])*co-float64(x.x[i*x.ld+other])*si)
					}
				}
				return want
			}
			x := newGuarded("x", s.rows, s.n, s.n+s.pad, normal(2))
			for _, acc := range []bool{false, true} {
				y := newGuarded("y", s.rows, s.n, s.n+2*s.pad, normal(3))
				was := func(i, j int) float64 { return y.was(acc, i, j) }
				RoPEGrad(c.rows, c.heads, c.dim, x.x, x.ld, max(c.rows, 1), cos.x, sin.x, y.x, y.ld, acc)
				checkRows(t, s, y, turned(-1, x, was), 32*unit)
			}
			none := func(i, j int) float64 { return 0 }
			want := turned(1, x, none)
			y := newGuarded("y", s.rows, s.n, s.n+2*s.pad, normal(3))
			RoPE(c.rows, c.heads, c.dim, x.x, x.ld, max(c.rows, 1), cos.x, sin.x, y.x, y.ld)
			checkRows(t, s, y, want, 32*unit)
			checkReadOnly(t, s, x, cos, sin)
			RoPE(c.rows, c.heads, c.dim, x.x, x.ld, max(c.rows, 1), cos.x, sin.x, x.x, x.ld)
			checkRows(t, s, x, want, 32*unit)
		}
	})
}

func TestRoPEBits(t *testing.T) {
	const rows, heads, dim = 300, 3, 64
	x, angle := newGuarded("x", rows, heads*dim, heads*dim, normal(1)).x, newGuarded("a", rows, dim/2, dim/2, normal(2)).x
	eachLevel(t, func(t *testing.T) {
		checkBatch(t, rows, heads*dim, func(first, rows int, y []float32) {
			a := angle[first*dim/2:]
			RoPE(rows, heads, dim, x[first*heads*dim:], heads*dim, rows, a, a, y, heads*dim)
		})
	})
}

func BenchmarkRoPE(b *testing.B) {
	benchRows(b, func(rows, n int, x [][]float32) { RoPE(rows, n/64, 64, x[0], n, rows, x[1], x[2], x[3], n) })
}
