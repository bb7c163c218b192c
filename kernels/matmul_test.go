package kernels

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func (o *operands) matMul(acc bool) {
	MatMul(o.op, acc, o.m, o.n, o.k, o.a.x, o.a.ld, o.b.x, o.b.ld, o.c.x, o.c.ld)
}

// againstParts fails unless the product has, on any number of threads, the bits of what
// is computed in parts of so many rows and columns of C, and its reference's values.
func (o *operands) againstParts(t *testing.T, acc bool, rows, columns int) {
	t.Helper()
	copy(o.c.all, o.c.before)
	want := newGuarded("want", o.m, o.n, o.c.ld, func() float32 { return 0 })
	copy(want.all, o.c.all)
	for i := 0; i < o.m; i += rows {
		for j := 0; j < o.n; j += columns {
			left := [...]int{NN: i * o.a.ld, NT: i * o.a.ld, TN: i}
			right := [...]int{NN: j, NT: j * o.b.ld, TN: j}
			MatMul(o.op, acc, min(rows, o.m-i), min(columns, o.n-j), o.k, o.a.x[left[o.op]:], o.a.ld, o.b.x[right[o.op]:], o.b.ld, want.x[i*want.ld+j:], want.ld)
		}
	}
	for _, threads := range []int{1, 3} {
		copy(o.c.all, o.c.before)
		SetThreads(threads)
		o.matMul(acc)
		if err := sameBits(o.c.all, want.all); err != nil {
			t.Fatalf("acc %v, %d threads, against parts: %v", acc, threads, err)
		}
	}
	if err := o.check(acc, false); err != nil {
		t.Fatalf("acc %v: %v", acc, err)
	}
}

func TestMatMul(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		eachCase(t, []Op{NN, NT, TN}, func(o *operands, acc bool) error {
			o.matMul(acc)
			return o.check(acc, false)
		})
	})
}

// The packed form gives the bits of the plain one.
func TestMatMulPacked(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		reused := Pack(NN, 0, 0, nil, 0)
		eachCase(t, []Op{NN, NT}, func(o *operands, acc bool) error {
			o.matMul(acc)
			want := slices.Clone(o.c.all)
			copy(o.c.all, o.c.before)
			p := Pack(o.op, o.k, o.n, o.b.x, o.b.ld)
			if k, n := p.Dims(); k != o.k || n != o.n {
				return fmt.Errorf("Dims() = %d, %d", k, n)
			}
			MatMulPacked(acc, o.m, o.a.x, o.a.ld, p, o.c.x, o.c.ld)
			if err := sameBits(o.c.all, want); err != nil {
				return err
			}
			// Repacked with other values and back.
			reused.resize(Active(), o.k, o.n)
			for range 2 {
				reused.Repack(o.op, o.b.x, o.b.ld)
			}
			copy(o.c.all, o.c.before)
			MatMulPacked(acc, o.m, o.a.x, o.a.ld, reused, o.c.x, o.c.ld)
			if err := sameBits(o.c.all, want); err != nil {
				return fmt.Errorf("repacked: %v", err)
			}
			return o.check(acc, false)
		})
	})
}

func TestMatMulPackedPlus(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		eachCase(t, []Op{NN, NT}, func(o *operands, acc bool) error {
			p := Pack(o.op, o.k, o.n, o.b.x, o.b.ld)
			MatMulPackedPlus(acc, o.m, o.a.x, o.a.ld, p, o.qOp(), o.r, o.u.x, o.u.ld, o.q.x, o.q.ld, o.c.x, o.c.ld)
			return o.check(acc, true)
		})
	})
}

// bigCases are products of one kind each, big enough for several threads.
var bigCases = []productCase{{130, 261, 2*kc + 44, 8}, {8, 700, 300, 8}, {700, 8, 300, 8}, {5, 900, 600, 8}}

// allForms runs every form of a product on its operands and returns the results.
func (o *operands) allForms(rows [][2]int) map[string][]float32 {
	results := map[string][]float32{}
	form := func(name string, f func(i, m int)) {
		copy(o.c.all, o.c.before)
		for _, r := range rows {
			f(r[0], r[1]-r[0])
		}
		results[name] = slices.Clone(o.c.x)
	}
	aStep := o.a.ld
	if o.op == TN {
		aStep = 1
	}
	if o.op != TN {
		p := Pack(o.op, o.k, o.n, o.b.x, o.b.ld)
		form(fmt.Sprintf("MatMulPackedFrom %v", o.op), func(i, m int) {
			bias := o.q.x[:o.n] // any values
			MatMulPackedFrom(bias, m, o.a.x[i*o.a.ld:], o.a.ld, p, o.qOp(), o.r, o.u.x[i*o.u.ld:], o.u.ld, o.q.x, o.q.ld, o.c.x[i*o.c.ld:], o.c.ld)
		})
	}
	for _, acc := range []bool{false, true} {
		form(fmt.Sprintf("MatMul %v acc=%t", o.op, acc), func(i, m int) {
			MatMul(o.op, acc, m, o.n, o.k, o.a.x[i*aStep:], o.a.ld, o.b.x, o.b.ld, o.c.x[i*o.c.ld:], o.c.ld)
		})
		if o.op == TN {
			continue
		}
		p := Pack(o.op, o.k, o.n, o.b.x, o.b.ld)
		form(fmt.Sprintf("MatMulPacked %v acc=%t", o.op, acc), func(i, m int) {
			MatMulPacked(acc, m, o.a.x[i*o.a.ld:], o.a.ld, p, o.c.x[i*o.c.ld:], o.c.ld)
		})
		form(fmt.Sprintf("MatMulPackedPlus %v acc=%t", o.op, acc), func(i, m int) {
			MatMulPackedPlus(acc, m, o.a.x[i*o.a.ld:], o.a.ld, p, o.qOp(), o.r, o.u.x[i*o.u.ld:], o.u.ld, o.q.x, o.q.ld, o.c.x[i*o.c.ld:], o.c.ld)
		})
	}
	return results
}

// Results are the same bits for any number of threads and any batch, and
// whichever way an operand is held.
func TestProductBits(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, p := range bigCases {
			for _, op := range []Op{NN, NT, TN} {
				o := newOperands(p, op, 3, normal(5))
				whole := [][2]int{{0, p.m}}
				var want map[string][]float32
				atThreads(1, func() { want = o.allForms(whole) })
				compare := func(what string, got map[string][]float32) {
					for name := range want {
						if err := sameBits(got[name], want[name]); err != nil {
							t.Errorf("%v: %s: %s: %v", p, name, what, err)
						}
					}
				}
				for _, threads := range []int{2, 8} {
					atThreads(threads, func() { compare(fmt.Sprint(threads, " threads"), o.allForms(whole)) })
				}
				compare("rows 0, 1–2, 3–", o.allForms([][2]int{{0, 1}, {1, 3}, {3, p.m}}))
				atThreads(2, func() {
					compare("rows in halves, 2 threads", o.allForms([][2]int{{0, p.m / 2}, {p.m / 2, p.m}}))
				})
			}
		}
	})
}

// A column does not depend on the others either, and Aᵀ given as such or
// transposed by hand is the same sum.
func TestProductColumns(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, p := range bigCases {
			o := newOperands(p, TN, 1, normal(6))
			o.matMul(true)
			want := slices.Clone(o.c.x)
			copy(o.c.all, o.c.before)
			for j := 0; j < p.n; j += 5 {
				MatMul(TN, true, p.m, min(5, p.n-j), p.k, o.a.x, o.a.ld, o.b.x[j:], o.b.ld, o.c.x[j:], o.c.ld)
			}
			if err := sameBits(o.c.x, want); err != nil {
				t.Errorf("%v: five columns at a time: %v", p, err)
			}
			copy(o.c.all, o.c.before)
			at := make([]float32, p.m*p.k)
			for i := range p.m {
				for j := range p.k {
					at[i*p.k+j] = o.a.x[j*o.a.ld+i]
				}
			}
			MatMul(NN, true, p.m, p.n, p.k, at, p.k, o.b.x, o.b.ld, o.c.x, o.c.ld)
			if err := sameBits(o.c.x, want); err != nil {
				t.Errorf("%v: transposed by hand: %v", p, err)
			}
		}
	})
}

// A NaN or an infinity in an operand reaches the elements that depend on it and
// no other.
func TestProductNaN(t *testing.T) {
	inf := float32(math.Inf(1))
	eachLevel(t, func(t *testing.T) {
		for _, p := range []productCase{{7, 17, 5, 0}, {6, 16, 300, 0}, {1, 3, 1, 0}, {100, 9, 20, 0}} {
			for _, op := range []Op{NN, NT, TN} {
				for _, bad := range []float32{float32(math.NaN()), inf, -inf} {
					o := newOperands(p, op, 1, func() float32 { return 0 })
					row, col, at := p.m-1, p.n-1, p.k-1
					if op == TN {
						o.a.x[at*o.a.ld+row] = bad
					} else {
						o.a.x[row*o.a.ld+at] = bad
					}
					if op == NT {
						o.b.x[col*o.b.ld+at] = 1
					} else {
						o.b.x[at*o.b.ld+col] = 1
					}
					o.matMul(false)
					for i := range p.m {
						for j := range p.n {
							got := o.c.x[i*o.c.ld+j]
							want := float32(0)
							switch {
							case i == row && j == col:
								want = bad
							case i == row:
								want = bad * 0
							}
							if got != want && !(got != got && want != want) {
								t.Fatalf("%v %v, A[%d][%d] = %g: C[%d][%d] = %g, want %g", op, p, row, at, bad, i, j, got, want)
							}
						}
					}
				}
			}
		}
	})
}

// C·t is compared with A·(B·t) for a random t, which for a layer's size takes
// the time of a few rows.
func TestMatMulLayer(t *testing.T) {
	const m, n, k = 150, 1040, 4100
	eachLevel(t, func(t *testing.T) {
		if Active() == Generic && testing.Short() {
			t.Skip("slow")
		}
		o := newOperands(productCase{m, n, k, 0}, NT, 0, normal(7))
		o.matMul(false)
		value := normal(8)
		x, bx, size := make([]float64, n), make([]float64, k), make([]float64, k)
		for j := range x {
			x[j] = float64(value())
		}
		for j := range n {
			for p := range k {
				v := float64(o.b.x[j*k+p]) * x[j]
				bx[p] += v
				size[p] += math.Abs(v)
			}
		}
		for i := range m {
			var got, want, bound float64
			for j := range n {
				got += float64(o.c.x[i*n+j]) * x[j]
			}
			for p := range k {
				a := float64(o.a.x[i*k+p])
				want += a * bx[p]
				bound += math.Abs(a) * size[p]
			}
			// Every C[i][j] rounds by at most (k+2)·ε·Σ|a·b|, see reference.
			bound *= (k + 2.0) / (1 << 24)
			if math.Abs(got-want) > bound {
				t.Fatalf("row %d of C·t is %g, of A·(B·t) %g ± %.2g", i, got, want, bound)
			}
		}
	})
}

func TestMatMulArguments(t *testing.T) {
	x := make([]float32, 90)
	p := Pack(NN, 4, 6, x, 6)
	for _, test := range []struct {
		want string
		call func()
	}{
		{"kernels: MatMul: m = -1, need at least 0", func() { MatMul(NN, false, -1, 2, 3, x, 3, x, 2, x, 2) }},
		{"kernels: MatMul: n = -2, need at least 0", func() { MatMul(TN, false, 1, -2, 3, x, 3, x, 2, x, 2) }},
		{"kernels: MatMul: k = -3, need at least 0", func() { MatMul(NN, false, 1, 2, -3, x, 3, x, 2, x, 2) }},
		{"kernels: MatMul: lda = 2, need at least 3 (columns of a)", func() { MatMul(NN, false, 2, 2, 3, x, 2, x, 2, x, 2) }},
		{"kernels: MatMul: ldb = 7, need at least 8 (columns of b)", func() { MatMul(NT, false, 2, 2, 8, x, 8, x, 7, x, 2) }},
		{"kernels: MatMul: ldc = 1, need at least 2 (columns of c)", func() { MatMul(NN, false, 2, 2, 3, x, 3, x, 2, x, 1) }},
		{"kernels: MatMul: len(b) = 90, need 128 (16 rows of 8, ld 8)", func() { MatMul(NT, false, 2, 16, 8, x, 8, x, 8, x, 16) }},
		{"kernels: MatMul: len(a) = 90, need 91 (10 rows of 1, ld 10)", func() { MatMul(TN, false, 1, 1, 10, x, 10, x, 1, x, 1) }},
		{"kernels: MatMul: len(c) = 0, need 1 (1 rows of 1, ld 1)", func() { MatMul(NN, false, 1, 1, 0, nil, 0, nil, 1, nil, 1) }},
		{"kernels: MatMul: len(a) = 90, need", func() { MatMul(NN, false, 1<<30, 1, 1, x, 1<<30, x, 1, x, 1) }},
		{"kernels: MatMul: op = Op(9), cannot say how b is held", func() { MatMul(9, false, 1, 1, 1, x, 1, x, 1, x, 1) }},
		{"kernels: Pack: op = TN, cannot say how b is held", func() { Pack(TN, 1, 1, x, 1) }},
		{"kernels: Pack: k = -1, need at least 0", func() { Pack(NN, -1, 1, x, 1) }},
		{"kernels: Pack: len(b) = 90, need 100 (10 rows of 10, ld 10)", func() { Pack(NN, 10, 10, x, 10) }},
		{"kernels: Repack: len(b) = 5, need 24 (4 rows of 6, ld 6)", func() { p.Repack(NN, x[:5], 6) }},
		{"kernels: MatMulPacked: len(a) = 3, need 4 (1 rows of 4, ld 4)", func() { MatMulPacked(false, 1, x[:3], 4, p, x, 6) }},
		{"kernels: MatMulPacked: ldc = 5, need at least 6 (columns of c)", func() { MatMulPacked(false, 1, x, 4, p, x, 5) }},
		{"kernels: MatMulPackedFrom: len(bias) = 5, need 6", func() { MatMulPackedFrom(x[:5], 1, x, 4, p, NN, 0, nil, 0, nil, 6, x, 6) }},
		{"kernels: MatMulPackedPlus: k = -1", func() { MatMulPackedPlus(false, 1, x, 4, p, NN, -1, x, 1, x, 6, x, 6) }},
		{"kernels: MatMulPackedPlus: len(u) = 2, need 3 (1 rows of 3, ld 3)", func() { MatMulPackedPlus(false, 1, x, 4, p, NN, 3, x[:2], 3, x, 6, x, 6) }},
	} {
		if got := panics(test.call); !strings.HasPrefix(got, test.want) {
			t.Errorf("panic %q, want %q", got, test.want)
		}
	}
}

// After the first call a product allocates nothing.
func TestMatMulAllocations(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("coverage counts differently")
	}
	eachLevel(t, func(t *testing.T) {
		for _, threads := range []int{1, 2} {
			atThreads(threads, func() {
				o := newOperands(productCase{120, 200, 70, 8}, NT, 0, normal(9))
				p := Pack(NT, o.k, o.n, o.b.x, o.b.ld)
				for range 20 { // until every thread has its scratch
					o.matMul(false)
				}
				got := testing.AllocsPerRun(20, func() {
					o.matMul(false)
					p.Repack(NT, o.b.x, o.b.ld)
					MatMulPackedPlus(false, o.m, o.a.x, o.a.ld, p, NT, o.r, o.u.x, o.u.ld, o.q.x, o.q.ld, o.c.x, o.c.ld)
				})
				if got != 0 {
					t.Errorf("%d threads: %g allocations a call", threads, got)
				}
			})
		}
	})
}
