package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// A piecewise is a function of |x| that falls to 0, by a polynomial around the middle of
// each of some pieces, of t = |x|/step - ½ - n, which lies within ±½ for the n-th from 0.
// A lane's coefficients are permuted out of a vector of all. From the middle of the last
// piece on it is 0.
type piecewise struct {
	step         float64
	coefficients [][]float64 // of a degree, of all n; the highest degree first
}

// fit interpolates f at Chebyshev's nodes of each piece; it is 0 from end on.
func fit(f func(a float64) float64, end float64, pieces, degree int) piecewise {
	p := piecewise{step: end / (float64(pieces) - 0.5), coefficients: make([][]float64, degree+1)}
	for i := range p.coefficients {
		p.coefficients[i] = make([]float64, pieces)
	}
	for n := range pieces {
		var nodes, newton []float64
		for i := range degree + 1 {
			t := math.Cos(math.Pi*(float64(i)+0.5)/float64(degree+1)) / 2
			nodes, newton = append(nodes, t), append(newton, f(p.step*(float64(n)+0.5+t)))
		}
		for k := 1; k <= degree; k++ { // divided differences
			for i := degree; i >= k; i-- {
				newton[i] = (newton[i] - newton[i-1]) / (nodes[i] - nodes[i-k])
			}
		}
		var powers []float64 // the lowest first
		for i := degree; i >= 0; i-- {
			next := append([]float64{newton[i]}, powers...)
			for k, c := range powers {
				next[k] -= nodes[i] * c
			}
			powers = next
		}
		if n == pieces-1 {
			powers[0] = 0
		}
		for i, c := range powers {
			p.coefficients[degree-i][n] = c
		}
	}
	return p
}

// A lookup is the tables of a piecewise, where a loop reads them.
type lookup struct {
	step   float64
	pieces int
	tables []operand.Mem
}

// pieces is how many numbers one permutation chooses from: within halves of 128 bits
// AVX2's is three to four times as fast on a Zen 3 as over the whole vector.
func (l *loopWriter) pieces() int {
	if l.wide() {
		return 16
	}
	return 4
}

// lookup writes the tables.
func (l *loopWriter) lookup(name string, p piecewise) lookup {
	u := lookup{step: p.step, pieces: l.pieces()}
	for i, of := range p.coefficients {
		table := l.global(fmt.Sprintf("%s%d", name, i))
		for lane := range l.lanes {
			l.home.AddDatum(4*lane, operand.F32(of[lane%u.pieces]))
		}
		u.tables = append(u.tables, table)
	}
	return u
}

// choose is the number of table that the lowest bits of n say, in each lane.
func (l *loopWriter) choose(table operand.Mem, n vector) vector {
	c := l.vec()
	if l.wide() {
		l.VPERMPS(table, n, c)
	} else {
		l.VPERMILPS(n, l.once(table), c)
	}
	return c
}

// of is the function of |x|. NaN passes.
func (l *loopWriter) of(u lookup, x vector) (y vector) {
	const rounding = 3 << 22 // leaves an integer in the lowest bits
	size, n, t := l.vec(), l.vec(), l.vec()
	last, scale := l.constant(float64(u.pieces-1)), l.constant(1/u.step)
	l.VANDPS(l.bits(math.MaxInt32), x, size)
	l.VFMSUB213PS(l.float(0.5), scale, size)
	l.VMINPS(size, last, size) // a NaN in the first operand is the result
	l.VADDPS(l.float(rounding), size, n)
	l.VSUBPS(l.float(rounding), n, t)
	l.VSUBPS(t, size, t)
	for i, table := range u.tables {
		c := l.choose(table, n)
		if i > 0 {
			l.VFMADD231PS(y, t, c)
		}
		y = c
	}
	return y
}
