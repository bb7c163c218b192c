package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// attention writes the loops of softmax in attention, whose scores are powers of two:
// with log2(e) in their scale, they need no product with it here.
func (l *loopWriter) attention() {
	l.exp2Sum()
	l.scoreGrad()
}

// A power2 is the constants of a power in registers: what rounds a number and leaves it in
// its lowest bits as an exponent, 1½·2²³ and the bias, and the argument from which on the
// power is 0.
type power2 struct{ rounding, lowest vector }

func (l *loopWriter) power2(lowest float64) power2 {
	return power2{l.constant(3<<22 + 127), l.constant(lowest)}
}

// exp2 is 2^x in place of x ≤ 127, but 0 from -127 on. NaN passes.
func (l *loopWriter) exp2(c power2, x vector) vector {
	power, n := l.vec(), l.vec()
	l.VMAXPS(x, c.lowest, x) // a NaN in the first operand is the result
	l.VADDPS(c.rounding, x, power)
	l.VSUBPS(c.rounding, power, n)
	l.VSUBPS(n, x, x) // exact
	return l.scaled2(x, power)
}

// expShort is e^x in place of x ≤ 88, but 0 from -127·ln2 on: two multiplications shorter
// than expNormal, since log2(e) is a float32, whose error makes 1.4·10⁻⁸·|x| of a result.
// NaN passes.
func (l *loopWriter) expShort(c power2, x vector) vector {
	power, n := l.vec(), l.vec()
	l.VMAXPS(x, c.lowest, x)
	l.VMOVUPS(c.rounding, power)
	l.VFMADD231PS(l.float(math.Log2E), x, power)
	l.VSUBPS(c.rounding, power, n)
	l.VFMSUB132PS(l.float(math.Log2E), n, x)
	return l.scaled2(x, power)
}

// scaled2 is 2^x in place of x, of ±½, times the power of 2 whose exponent is in the lowest
// bits of power.
func (l *loopWriter) scaled2(x, power vector) vector {
	p := l.vec()
	l.VMOVUPS(l.float(exp2Coefficients[0]), p)
	l.horner(p, x, exp2Coefficients[1:]...)
	l.VPSLLD(operand.U8(23), power, power)
	l.VMULPS(power, p, x)
	return x
}

func (l *loopWriter) exp2Sum() {
	l.function("exp2Sum", "func(y, x []float32, shift float32) float64", "y", "x")
	shift, c := l.splat("shift"), l.power2(-127)
	sums := l.doubles()
	l.eachSummed("x", func() []vector {
		x := l.load("x")
		l.VSUBPS(shift, x, x)
		e := l.exp2(c, x)
		l.store(e, "y")
		return []vector{e}
	}, sums)
	l.returnTotals(l.total(sums[0], sums[1]))
}

func (l *loopWriter) scoreGrad() {
	l.function("scoreGrad", "func(p, d []float32, shift, mean float32)", "p", "d")
	shift, mean, c := l.splat("shift"), l.splat("mean"), l.power2(-127)
	l.each("p", 3, func() {
		x := l.load("p")
		l.VSUBPS(shift, x, x)
		e := l.exp2(c, x)
		l.store(e, "p")
		d := l.load("d")
		l.VSUBPS(mean, d, d)
		l.VMULPS(e, d, d)
		l.store(d, "d")
	})
	l.end()
}
