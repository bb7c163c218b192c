package kernels

import (
	"fmt"
	"math"
	"testing"
	"unsafe"
)

// A dot tile has the bits of the loop that defines it, made by math.FMA's rounding: a
// float64 product of two float32 is exact, and one addition to it is rounded once more
// than a fused one only where the sum needs more than 53 bits, which these values, of
// 8 bits, do not.
func TestDotTile(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		if !shapes[active].masked {
			t.Skip("the level has no dot tiles")
		}
		next := normal(3)
		value := func() float32 { return float32(int(next()*16)) / 16 }
		for rows := 1; rows <= dotTall; rows++ {
			for _, columns := range []int{8, 9, 15, 16, 17, 24, 31, 32, 33, 45, 70} {
				for k := 1; k <= 40; k++ {
					for _, turned := range []bool{false, true} {
						a, arow, acol := newGuarded("a", rows, k, k+1, value), k+1, 1
						if turned {
							a, arow, acol = newGuarded("a", k, rows, rows+2, value), 1, rows+2
						}
						before := max(0, dotBlock-k)
						b := newGuarded("b", columns, before+k, before+k+3, value)
						b.x = b.x[before:]
						for _, end := range []ending{stores, adds} {
							c := newGuarded("c", rows, columns, columns+1, value)
							want := append([]float32(nil), c.all...)
							for i := range rows {
								for j := range columns {
									var sum float32
									for p := range k {
										sum = float32(float64(sum) + float64(a.x[i*arow+p*acol])*float64(b.x[j*b.ld+p]))
									}
									if to := &want[guard+i*c.ld+j]; end == adds {
										*to += sum
									} else {
										*to = sum
									}
								}
							}
							dotTile(active, rows, columns, k, a.x, arow, acol, b.x, b.ld, c.x, c.ld, end)
							if err := sameBits(c.all, want); err != nil {
								t.Fatalf("%d×%d, k %d, a turned %v, ending %d: %v", rows, columns, k, turned, end, err)
							}
						}
					}
				}
			}
		}
	})
}

// Products by dot tiles, and those of which few columns are computed aside, have the
// bits of the same product computed a part at a time, which is too small for that, on
// any number of threads; and their float64 reference's values.
func TestDots(t *testing.T) {
	const part = dotWide - 1 // columns of C, or of a turned one rows
	defer func(most int) { dotMost = most; SetThreads(0) }(dotMost)
	dotMost = 8 * dotTall // for which the cases are chosen
	cases := []struct {
		op  Op
		how [2]dotting // with AVX2 and with AVX-512
		few [2]int     // columns, likewise
		productCase
		pad int
	}{
		{NT, [2]dotting{dotted, dotted}, [2]int{0, 0}, productCase{m: 1, n: 130, k: 600}, 0},
		{NT, [2]dotting{dotted, dotted}, [2]int{0, 0}, productCase{m: 5, n: 33, k: 514}, 1},  // the last piece has two terms
		{NT, [2]dotting{dotted, dotted}, [2]int{0, 0}, productCase{m: 7, n: 45, k: 1024}, 0}, // all rows in one set
		{NT, [2]dotting{notDotted, dotted}, [2]int{0, 0}, productCase{m: 9, n: 33, k: 5}, 1},
		{NT, [2]dotting{notDotted, dotted}, [2]int{0, 0}, productCase{m: 64, n: 91, k: 1030}, 3},
		{NT, [2]dotting{notDotted, dotted}, [2]int{0, 0}, productCase{m: 16, n: 100, k: 1024}, 0},
		{NN, [2]dotting{dottedTurned, dottedTurned}, [2]int{4, 4}, productCase{m: 100, n: 4, k: 64}, 0},
		{NT, [2]dotting{dottedTurned, dottedTurned}, [2]int{3, 3}, productCase{m: 65, n: 3, k: 1100}, 2},
		{NT, [2]dotting{dottedTurned, dottedTurned}, [2]int{0, 0}, productCase{m: 75, n: 6, k: 1024}, 0},
		{NN, [2]dotting{notDotted, dottedTurned}, [2]int{0, 0}, productCase{m: 500, n: 8, k: 257}, 1},
		{NN, [2]dotting{notDotted, dottedTurned}, [2]int{0, 0}, productCase{m: 40, n: 7, k: 513}, 0},
		{NN, [2]dotting{dottedTurned, dottedTurned}, [2]int{1, 1}, productCase{m: 50, n: 1, k: 300}, 1},
		{TN, [2]dotting{}, [2]int{3, 3}, productCase{m: 100, n: 3, k: 64}, 0},
		{TN, [2]dotting{}, [2]int{4, 4}, productCase{m: 53, n: 4, k: 70}, 2},
		{TN, [2]dotting{}, [2]int{1, 1}, productCase{m: 64, n: 17, k: 20}, 1},
		{NN, [2]dotting{}, [2]int{2, 2}, productCase{m: 40, n: 34, k: 80}, 0},
		{NN, [2]dotting{}, [2]int{0, 3}, productCase{m: 40, n: 35, k: 80}, 0},
		{NT, [2]dotting{}, [2]int{1, 1}, productCase{m: 40, n: 33, k: 80}, 0},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%v/%dx%dx%d", c.op, c.m, c.n, c.k), func(t *testing.T) {
			eachLevel(t, func(t *testing.T) {
				for _, acc := range []bool{false, true} {
					o := newOperands(c.productCase, c.op, c.pad, normal(uint64(c.m)))
					if s := &shapes[active]; s.masked {
						whole := operation{active, acc, c.m, c.n, c.k, matrix{o.a.x, o.a.ld, 1}, matrix{o.b.x, o.b.ld, 1}, o.c.x, o.c.ld}
						if c.op == NT {
							whole.b = matrix{o.b.x, 1, o.b.ld}
						}
						if c.op == TN {
							whole.a = matrix{o.a.x, 1, o.a.ld}
						}
						at := 0
						if s.few {
							at = 1
						}
						if how, few := whole.dotting(), whole.fewColumns(); how != c.how[at] || few != c.few[at] {
							t.Fatalf("the case is dotting %d of %d few columns, want %d of %d", how, few, c.how[at], c.few[at])
						}
					}
					o.againstParts(t, acc, part, part)
				}
			})
		})
	}
}

// Dot tiles of fewer terms than a block read those before them: never before B, which
// begins where memory does.
func TestShortDots(t *testing.T) {
	memory, err := newFence(1 << 14)
	if err != nil {
		t.Fatal(err)
	}
	b := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(memory))), len(memory)/4)
	next := normal(5)
	for i := range b {
		b[i] = next()
	}
	eachLevel(t, func(t *testing.T) {
		for m := 1; m <= dotTall; m++ {
			for n := 1; n <= 70; n += 3 {
				for k := 1; k <= dotBlock; k++ {
					for ldb := k; ldb <= k+1; ldb++ {
						a, c := make([]float32, m*k), make([]float32, m*n)
						for i := range a {
							a[i] = next()
						}
						MatMul(NT, false, m, n, k, a, k, b, ldb, c, n)
						for i := range c {
							var want, size float64
							for p := range k {
								term := float64(a[i/n*k+p]) * float64(b[i%n*ldb+p])
								want, size = want+term, size+math.Abs(term)
							}
							if off := math.Abs(float64(c[i]) - want); off > float64(k+1)*unit*size+tiny { // as bounded tells
								t.Fatalf("%d×%d×%d, ldb %d: element %d is %g, want %g", m, n, k, ldb, i, c[i], want)
							}
						}
					}
				}
			}
		}
	})
}
