package main

// exp2 is 2^x in place of x, but 0 below 2^-126.5, of x ≤ 127. NaN passes. What rounds
// a number leaves it in its lowest bits as an exponent: 1½·2²³ and the bias.
func (l *neonLoop) exp2(x vreg) vreg {
	rounding, power, n := l.splat(3<<22+127), l.vec(), l.vec()
	l.fmax(x, x, l.splat(-127))
	l.fadd(power, x, rounding)
	l.fsub(n, power, rounding)
	l.fsub(x, x, n) // exact
	p := l.horner(none, x, exp2Coefficients...)
	l.op("VSHL $23, %s, %s", power.s4(), power.s4())
	l.fmul(x, p, power)
	l.free(power, n, p)
	return x
}

func (l *neonLoop) exp2Sum() {
	l.function("exp2SumNEON", "func(y, x []float32, shift float32) float64", "y", "x")
	shift, sums := l.everywhere("shift"), l.sums(2)
	l.each(2, func() {
		x := l.read("x")
		l.fsub(x, x, shift)
		e := l.exp2(x)
		l.write(e, "y")
		l.addWidened(sums, e)
	})
	l.endWithSums(sums)
}

// addWidened adds the lower and the upper lanes of v, of a tail the first one, to two
// accumulators.
func (l *neonLoop) addWidened(sums []vreg, v vreg) {
	if l.tail {
		l.op("FMOVS %s, %s", v.f(), v.f()) // zeros in the other lanes
	}
	wide := l.vec()
	for half, sum := range sums {
		l.widen(wide, v, half == 1)
		l.faddDoubles(sum, sum, wide)
	}
	l.free(wide)
}

func (l *neonLoop) scoreGrad() {
	l.function("scoreGradNEON", "func(p, d []float32, shift, mean float32)", "p", "d")
	shift, mean := l.everywhere("shift"), l.everywhere("mean")
	l.each(2, func() {
		x, d := l.read("p"), l.read("d")
		l.fsub(x, x, shift)
		e := l.exp2(x)
		l.write(e, "p")
		l.fsub(d, d, mean)
		l.fmul(d, d, e)
		l.write(d, "d")
	})
	l.end()
}

func (l *neonLoop) softmaxInput() {
	l.function("softmaxInputNEON", "func(dx, y, dy []float32, mean float32, acc bool)", "dx", "y", "dy")
	mean, keep := l.everywhere("mean"), l.keep()
	l.each(2, func() {
		y, dy := l.read("y"), l.read("dy")
		l.fsub(dy, dy, mean)
		l.fmul(dy, dy, y)
		l.writeAcc(dy, keep, "dx")
	})
	l.end()
}
