package main

import "github.com/mmcloughlin/avo/operand"

// attention writes the loops of softmax in attention, whose scores are powers of two:
// with log2(e) in their scale, they need no product with it here.
func (l *loopWriter) attention() {
	l.exp2Sum()
	l.scoreGrad()
}

// A power2 is the constants of 2^x in registers: what rounds a number and leaves it in
// its lowest bits as an exponent, 1½·2²³ and the bias, and the exponent that is 0.
type power2 struct{ rounding, lowest vector }

func (l *loopWriter) power2() power2 {
	return power2{l.constant(3<<22 + 127), l.constant(-127)}
}

// exp2 is 2^x in place of x, but 0 below 2^-126.5, of x ≤ 127. NaN passes.
func (l *loopWriter) exp2(c power2, x vector) vector {
	power, n, p := l.vec(), l.vec(), l.vec()
	l.VMAXPS(x, c.lowest, x) // a NaN in the first operand is the result
	l.VADDPS(c.rounding, x, power)
	l.VSUBPS(c.rounding, power, n)
	l.VSUBPS(n, x, x) // exact
	l.VMOVUPS(l.float(exp2Coefficients[0]), p)
	l.horner(p, x, exp2Coefficients[1:]...)
	l.VPSLLD(operand.U8(23), power, power)
	l.VMULPS(power, p, x)
	return x
}

func (l *loopWriter) exp2Sum() {
	l.function("exp2Sum", "func(y, x []float32, shift float32) float64", "y", "x")
	shift, c := l.splat("shift"), l.power2()
	sums := l.doubles()
	l.eachSummed("x", sums, func() vector {
		x := l.load("x")
		l.VSUBPS(shift, x, x)
		e := l.exp2(c, x)
		l.store(e, "y")
		return e
	})
	l.returnTotals(l.total(sums[0], sums[1]))
}

func (l *loopWriter) scoreGrad() {
	l.function("scoreGrad", "func(p, d []float32, shift, mean float32)", "p", "d")
	shift, mean, c := l.splat("shift"), l.splat("mean"), l.power2()
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
