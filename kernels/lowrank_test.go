package kernels

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// A layer holds the operands of the low-rank functions.
type layer struct {
	m, r, in, out       int
	s                   float32
	x, w0, a, b, dy     *guarded
	u, v, y, dx, da, db *guarded
	forward, backward   *Packed
	readOnly, outputs   []*guarded
}

func newLayer(m, r, in, out, pad int) *layer {
	value := normal(uint64(m + r + in + out))
	next := func(name string, rows, cols int) *guarded { return newGuarded(name, rows, cols, cols+pad, value) }
	l := &layer{m: m, r: r, in: in, out: out, s: 1.5}
	l.x, l.w0, l.a, l.b, l.dy = next("x", m, in), next("w0", out, in), next("a", r, in), next("b", out, r), next("dy", m, out)
	l.u, l.v, l.y, l.dx = next("u", m, r), next("v", m, r), next("y", m, out), next("dx", m, in)
	l.da, l.db = next("da", r, in), next("db", out, r)
	l.forward = Pack(NT, in, out, l.w0.x, l.w0.ld)
	l.backward = Pack(NN, out, in, l.w0.x, l.w0.ld)
	l.readOnly = []*guarded{l.x, l.w0, l.a, l.b, l.dy}
	l.outputs = []*guarded{l.u, l.v, l.y, l.dx, l.da, l.db}
	return l
}

func (l *layer) run(acc bool) {
	LowRankForward(l.m, l.r, l.x.x, l.x.ld, l.forward, l.a.x, l.a.ld, l.b.x, l.b.ld, l.s, l.u.x, l.u.ld, nil, l.y.x, l.y.ld)
	LowRankInputGrad(acc, l.m, l.r, l.dy.x, l.dy.ld, l.backward, l.a.x, l.a.ld, l.b.x, l.b.ld, l.s, l.v.x, l.v.ld, l.dx.x, l.dx.ld)
	LowRankFactorGrads(acc, l.m, l.r, l.in, l.out, l.x.x, l.x.ld, l.dy.x, l.dy.ld, l.u.x, l.u.ld, l.v.x, l.v.ld, l.da.x, l.da.ld, l.db.x, l.db.ld)
}

// A dense is a float64 matrix, with the size of what its elements were summed
// from beside it.
type dense struct {
	rows, cols int
	x, size    []float64
}

func (g *guarded) dense() dense {
	d := dense{g.rows, g.cols, make([]float64, g.rows*g.cols), make([]float64, g.rows*g.cols)}
	for i := range g.rows {
		for j := range g.cols {
			v := float64(g.before[guard+i*g.ld+j])
			d.x[i*g.cols+j], d.size[i*g.cols+j] = v, math.Abs(v)
		}
	}
	return d
}

func (a dense) t() dense {
	d := dense{a.cols, a.rows, make([]float64, len(a.x)), make([]float64, len(a.x))}
	for i := range a.rows {
		for j := range a.cols {
			d.x[j*a.rows+i], d.size[j*a.rows+i] = a.x[i*a.cols+j], a.size[i*a.cols+j]
		}
	}
	return d
}

// mul returns s·a·b.
func (a dense) mul(b dense, s float64) dense {
	d := dense{a.rows, b.cols, make([]float64, a.rows*b.cols), make([]float64, a.rows*b.cols)}
	for i := range a.rows {
		for p := range a.cols {
			for j := range b.cols {
				d.x[i*b.cols+j] += s * a.x[i*a.cols+p] * b.x[p*b.cols+j]
				d.size[i*b.cols+j] += s * a.size[i*a.cols+p] * b.size[p*b.cols+j]
			}
		}
	}
	return d
}

func (a dense) plus(b dense) dense {
	for i := range a.x {
		a.x[i] += b.x[i]
		a.size[i] += b.size[i]
	}
	return a
}

// near compares g with want. A term passes two sums of n products each at most
// and the scaling, so its error is below 2(n+3)·ε of the sizes summed, ε = 2⁻²⁴.
func (g *guarded) near(want dense, n int) error {
	for i := range g.rows {
		for j := range g.cols {
			w := want.x[i*g.cols+j]
			bound := 2 * float64(n+3) / (1 << 24) * want.size[i*g.cols+j]
			if got := float64(g.x[i*g.ld+j]); !(math.Abs(got-w) <= bound) {
				return fmt.Errorf("%s[%d][%d] = %g, want %g ± %.2g", g.name, i, j, got, w, bound)
			}
		}
	}
	return nil
}

func TestLowRank(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for i, size := range [][4]int{
			{1, 1, 1, 1}, {5, 2, 9, 7}, {13, 8, 33, 17}, {6, 4, 2*kc + 1, 31}, {110, 16, 40, kc + 9},
			{0, 3, 4, 5}, {3, 0, 4, 5}, {3, 2, 0, 5}, {3, 2, 4, 0},
		} {
			for _, acc := range []bool{false, true} {
				l := newLayer(size[0], size[1], size[2], size[3], i%3)
				l.run(acc)
				x, w, a, b, dy, s := l.x.dense(), l.w0.dense(), l.a.dense(), l.b.dense(), l.dy.dense(), float64(l.s)
				u, v := x.mul(a.t(), s), dy.mul(b, s)
				want := map[*guarded]dense{
					l.u: u, l.y: x.mul(w.t(), 1).plus(u.mul(b.t(), 1)),
					l.v: v, l.dx: dy.mul(w, 1).plus(v.mul(a, 1)),
					l.da: v.t().mul(x, 1), l.db: dy.t().mul(u, 1),
				}
				if acc {
					for _, g := range []*guarded{l.dx, l.da, l.db} {
						want[g] = want[g].plus(g.dense())
					}
				}
				for g, d := range want {
					if err := g.near(d, l.m+l.r+l.in+l.out); err != nil {
						t.Errorf("m, r, in, out = %v, acc=%t: %v", size, acc, err)
					}
				}
				for _, g := range l.readOnly {
					if err := g.check(true); err != nil {
						t.Error(err)
					}
				}
				for _, g := range l.outputs {
					if err := g.check(false); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
}

// The low-rank term is r more columns of K: the bits of one product of [A U] and
// [P; Q], as long as no piece of k ends between them.
func TestPlusIsConcatenation(t *testing.T) {
	const m, n, k, r = 25, 41, 2*kc - 60, 60
	eachLevel(t, func(t *testing.T) {
		value := normal(11)
		a, b := newGuarded("a", m, k+r, k+r, value), newGuarded("b", k+r, n, n, value)
		want, got := newGuarded("c", m, n, n, value), newGuarded("c", m, n, n, value)
		MatMul(NN, false, m, n, k+r, a.x, k+r, b.x, n, want.x, n)
		p := Pack(NN, k, n, b.x, n)
		MatMulPackedPlus(false, m, a.x, k+r, p, NN, r, a.x[k:], k+r, b.x[k*n:], n, got.x, n)
		if err := sameBits(got.x, want.x); err != nil {
			t.Error(err)
		}
	})
}

// A Packed keeps the level that it was packed at.
func TestPackedLevel(t *testing.T) {
	before := Active()
	defer SetLevel(before)
	for _, packAt := range Levels() {
		SetLevel(packAt)
		l := newLayer(9, 4, 70, 33, 1)
		l.run(false)
		want := slices.Clone(l.y.x)
		for _, runAt := range Levels() {
			SetLevel(runAt)
			l.run(false)
			if err := sameBits(l.y.x, want); err != nil {
				t.Errorf("packed at %v, run at %v: %v", packAt, runAt, err)
			}
		}
	}
}

// A frozen factor is skipped, and what only it needs may be missing.
func TestLowRankFrozenFactor(t *testing.T) {
	l := newLayer(7, 3, 20, 10, 0)
	l.run(false)
	da, db := slices.Clone(l.da.x), slices.Clone(l.db.x)
	clear(l.da.x)
	clear(l.db.x)
	LowRankFactorGrads(false, l.m, l.r, l.in, l.out, l.x.x, l.in, nil, 0, nil, 0, l.v.x, l.r, l.da.x, l.in, nil, 0)
	LowRankFactorGrads(false, l.m, l.r, l.in, l.out, nil, 0, l.dy.x, l.out, l.u.x, l.r, nil, 0, nil, 0, l.db.x, l.r)
	if err := sameBits(l.da.x, da); err != nil {
		t.Errorf("dA alone: %v", err)
	}
	if err := sameBits(l.db.x, db); err != nil {
		t.Errorf("dB alone: %v", err)
	}
}

func TestLowRankArguments(t *testing.T) {
	x := make([]float32, 40)
	w := Pack(NN, 4, 6, x, 6)
	for _, test := range []struct {
		want string
		call func()
	}{
		{"kernels: LowRankForward: m = -1, need at least 0", func() { LowRankForward(-1, 2, x, 4, w, x, 4, x, 2, 1, x, 2, nil, x, 6) }},
		{"kernels: LowRankForward: r = -2, need at least 0", func() { LowRankForward(1, -2, x, 4, w, x, 4, x, 2, 1, x, 2, nil, x, 6) }},
		{"kernels: LowRankForward: len(a) = 40, need 44 (11 rows of 4, ld 4)", func() { LowRankForward(1, 11, x, 4, w, x, 4, x, 11, 1, x, 11, nil, x, 6) }},
		{"kernels: LowRankForward: ldb = 1, need at least 2 (columns of b)", func() { LowRankForward(1, 2, x, 4, w, x, 4, x, 1, 1, x, 2, nil, x, 6) }},
		{"kernels: LowRankInputGrad: len(dy) = 40, need 44 (11 rows of 4, ld 4)", func() { LowRankInputGrad(false, 11, 2, x, 4, w, x, 6, x, 2, 1, x, 2, x, 6) }},
		{"kernels: LowRankInputGrad: lddx = 5, need at least 6 (columns of dx)", func() { LowRankInputGrad(false, 1, 2, x, 4, w, x, 6, x, 2, 1, x, 2, x, 5) }},
		{"kernels: LowRankFactorGrads: out = -1, need at least 0", func() { LowRankFactorGrads(false, 1, 1, 1, -1, x, 1, x, 1, x, 1, x, 1, x, 1, x, 1) }},
		{"kernels: LowRankFactorGrads: len(u) = 0, need 1 (1 rows of 1, ld 1)", func() { LowRankFactorGrads(false, 1, 1, 1, 1, x, 1, x, 1, nil, 1, x, 1, x, 1, x, 1) }},
	} {
		if got := panics(test.call); !strings.HasPrefix(got, test.want) {
			t.Errorf("panic %q, want %q", got, test.want)
		}
	}
}

func ExampleLowRankForward() {
	w0 := []float32{ // 2×3
		1, 0, 0,
		0, 1, 0,
	}
	a := []float32{0, 0, 1} // 1×3
	b := []float32{10, 20}  // 2×1
	x := []float32{1, 2, 3} // 1×3
	u, y := make([]float32, 1), make([]float32, 2)

	w := Pack(NT, 3, 2, w0, 3) // once, of a frozen weight
	LowRankForward(1, 1, x, 3, w, a, 3, b, 1, 0.5, u, 1, nil, y, 2)
	fmt.Println("u =", u)
	fmt.Println("y =", y)
	// Output:
	// u = [1.5]
	// y = [16 32]
}
