package kernels

import (
	"fmt"
	"math"
	"testing"
)

// A case is one product C (m×n) = A·B + U·Q, r = 0 for none.
type productCase struct{ m, n, k, r int }

func (c productCase) String() string { return fmt.Sprintf("m=%d n=%d k=%d r=%d", c.m, c.n, c.k, c.r) }

// productCases drives the tests of all products at all levels: nothing, one, the
// edges of every tile up to two tiles and one, and sums and blocks beyond one
// piece of each loop.
func productCases() []productCase {
	var cases []productCase
	for _, m := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13} {
		for _, n := range []int{0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33} {
			for _, k := range []int{0, 1, 2, 3, 4, 5, 9} {
				cases = append(cases, productCase{m, n, k, (m + n + k) % 4})
			}
		}
	}
	for n := 49; n < 170; n += 8 { // one row has longer tiles than more rows, which have tiles below each other
		for _, m := range []int{1, 17, 33} {
			cases = append(cases, productCase{m, n, n % 11, n % 4})
		}
	}
	return append(cases,
		productCase{7, 17, kc - 1, 8}, productCase{7, 17, kc, 8}, productCase{7, 17, kc + 1, 8},
		productCase{13, 33, 2*kc + 3, 5}, productCase{5, 9, 3 * kc, 300},
		productCase{97, 129, kc + 5, 16}, productCase{100, 8, 2*kc + 1, 1}, productCase{8, 300, 700, 0},
		productCase{260, 70, 40, 7}, productCase{129, 530, 77, 64}, productCase{101, 20, 8*kc + 9, 3},
	)
}

// reference computes the product in float64, and for every element the bound of
// its error: each of the k+r+1 sums and products rounds by at most ε = 2⁻²⁴ of
// what it has summed so far, Σ|a·b| + |c| at most (Higham, Accuracy and Stability
// of Numerical Algorithms, 3.1). The factor is one piece more, for the sum of
// pieces.
func reference(p productCase, acc bool, a, b, u, q, c matrix) (want, bound []float64) {
	want, bound = make([]float64, p.m*p.n), make([]float64, p.m*p.n)
	for i := range p.m {
		for j := range p.n {
			var sum, size float64
			if acc {
				sum = float64(c.x[i*c.row+j])
				size = math.Abs(sum)
			}
			dot := func(k int, a, b matrix) {
				for p := range k {
					x := float64(a.x[i*a.row+p*a.col]) * float64(b.x[p*b.row+j*b.col])
					sum += x
					size += math.Abs(x)
				}
			}
			dot(p.k, a, b)
			dot(p.r, u, q)
			want[i*p.n+j] = sum
			bound[i*p.n+j] = float64(p.k+p.r+2+p.k/kc) / (1 << 24) * size
		}
	}
	return want, bound
}

// operands are those of one case: A and B as op holds them.
type operands struct {
	productCase
	op            Op
	a, b, u, q, c *guarded
}

// newOperands draws the operands of a case. pad is added to leading dimensions.
func newOperands(p productCase, op Op, pad int, value func() float32) *operands {
	o := &operands{productCase: p, op: op}
	o.a = newGuarded("a", p.m, p.k, p.k+pad, value)
	o.b = newGuarded("b", p.k, p.n, p.n+2*pad, value)
	switch op {
	case NT:
		o.b = newGuarded("b", p.n, p.k, p.k+2*pad, value)
	case TN:
		o.a = newGuarded("a", p.k, p.m, p.m+pad, value)
	}
	o.u = newGuarded("u", p.m, p.r, p.r+pad, value)
	o.q = newGuarded("q", p.r, p.n, p.n+pad, value)
	if op == NT {
		o.q = newGuarded("q", p.n, p.r, p.r+pad, value)
	}
	o.c = newGuarded("c", p.m, p.n, p.n+3*pad, value)
	return o
}

// qOp is how q is held.
func (o *operands) qOp() Op {
	if o.op == NT {
		return NT
	}
	return NN
}

// check compares C with the float64 reference and looks at all canaries.
func (o *operands) check(acc, plus bool) error {
	view := func(g *guarded, transposed bool) matrix {
		if transposed {
			return matrix{g.x, 1, g.ld}
		}
		return matrix{g.x, g.ld, 1}
	}
	p := o.productCase
	if !plus {
		p.r = 0
	}
	before := matrix{o.c.before[guard:], o.c.ld, 1}
	want, bound := reference(p, acc, view(o.a, o.op == TN), view(o.b, o.op == NT), view(o.u, false), view(o.q, o.op == NT), before)
	for i := range p.m {
		for j := range p.n {
			got := float64(o.c.x[i*o.c.ld+j])
			if diff := math.Abs(got - want[i*p.n+j]); !(diff <= bound[i*p.n+j]) {
				return fmt.Errorf("C[%d][%d] = %g, want %g ± %.2g", i, j, got, want[i*p.n+j], bound[i*p.n+j])
			}
		}
	}
	for _, g := range []*guarded{o.a, o.b, o.u, o.q} {
		if err := g.check(true); err != nil {
			return err
		}
	}
	return o.c.check(false)
}

// eachCase runs body for every case, op and acc, with operands of three paddings.
func eachCase(t *testing.T, ops []Op, body func(o *operands, acc bool) error) {
	t.Helper()
	for index, p := range productCases() {
		for _, op := range ops {
			for _, acc := range []bool{false, true} {
				pad := index % 3
				o := newOperands(p, op, pad, normal(uint64(index)))
				if err := body(o, acc); err != nil {
					t.Fatalf("%v %v acc=%t pad=%d: %v", op, p, acc, pad, err)
				}
			}
		}
	}
}

// sameBits compares two slices bit for bit.
func sameBits(got, want []float32) error {
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			return fmt.Errorf("element %d is %g (%#x), want %g (%#x)", i,
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
	return nil
}
