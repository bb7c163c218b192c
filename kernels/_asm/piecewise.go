package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// A piecewise is a function of |x| that falls to 0, by a polynomial around each of as
// many numbers as a vector has lanes: step·n, n = 0, 1, …, of t = |x|/step - n, which
// lies within ±½. A lane's coefficients are permuted out of a vector of all. Beyond
// the last n it is 0.
type piecewise struct {
	step         float64
	coefficients [][]float64 // of a degree, of all n; the highest degree first
}

// fit interpolates f at Chebyshev's nodes of each interval up to end.
func fit(f func(a float64) float64, end float64, lanes, degree int) piecewise {
	p := piecewise{step: end / float64(lanes-1), coefficients: make([][]float64, degree+1)}
	for i := range p.coefficients {
		p.coefficients[i] = make([]float64, lanes)
	}
	for n := range lanes {
		var nodes, newton []float64
		for i := range degree + 1 {
			t := math.Cos(math.Pi*(float64(i)+0.5)/float64(degree+1)) / 2
			nodes, newton = append(nodes, t), append(newton, f(p.step*(float64(n)+t)))
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
		if n == lanes-1 {
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
	tables []operand.Mem
}

// lookup writes the tables.
func (l *loopWriter) lookup(name string, p piecewise) lookup {
	u := lookup{step: p.step}
	for i, lanes := range p.coefficients {
		table := l.global(fmt.Sprintf("%s%d", name, i))
		for n, c := range lanes {
			l.home.AddDatum(4*n, operand.F32(c))
		}
		u.tables = append(u.tables, table)
	}
	return u
}

// of is the function of |x|. NaN passes.
func (l *loopWriter) of(u lookup, x vector) (y vector) {
	const rounding = 3 << 22 // leaves an integer in the lowest bits
	size, n, t := l.vec(), l.vec(), l.vec()
	last := l.constant(float64(l.lanes - 1))
	l.VANDPS(l.bits(math.MaxInt32), x, size)
	l.VMULPS(l.float(1/u.step), size, size)
	l.VMINPS(size, last, size) // a NaN in the first operand is the result
	l.VADDPS(l.float(rounding), size, n)
	l.VSUBPS(l.float(rounding), n, t)
	l.VSUBPS(t, size, t)
	for i, table := range u.tables {
		c := l.vec()
		l.VPERMPS(table, n, c)
		if i > 0 {
			l.VFMADD231PS(y, t, c)
		}
		y = c
	}
	return y
}
