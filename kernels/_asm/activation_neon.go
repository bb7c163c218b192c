package main

import "math"

// clamp is x, or the bound that it is beyond. NaN passes.
func (l *neonLoop) clamp(x vreg, low, high float64) vreg {
	v := l.vec()
	l.fmin(v, x, l.splat(high))
	l.fmax(v, v, l.splat(low))
	return v
}

// horner is the polynomial of x with these coefficients, the highest first,
// carried on from p unless that is negative.
func (l *neonLoop) horner(p, x vreg, coefficients ...float64) vreg {
	for _, c := range coefficients {
		next := l.coefficient(c)
		if p >= 0 {
			l.fmla(next, x, p)
			l.free(p)
		}
		p = next
	}
	return p
}

// none begins a polynomial.
const none vreg = -1

// exp is e^x in each lane: x = n·ln2 + r with |r| ≤ ln2/2, a polynomial in r, and
// 2^n in two factors, so that results below the smallest normal number are rounded
// once. Beyond the clamp the result is 0 or +Inf by itself; NaN passes.
func (l *neonLoop) exp(x vreg) vreg {
	r, n, k := l.clamp(x, -104, 89), l.vec(), l.vec()
	l.fmulBy(n, r, l.single(math.Log2E))
	l.frintn(n, n)
	l.fmlsBy(r, n, l.single(ln2High))
	l.fmlsBy(r, n, l.single(ln2Low))
	p := l.horner(none, r, expCoefficients...)
	l.fcvtzs(n, n)
	l.sshr(k, n, 1)
	l.op("VSUB %s, %s, %s", k.s4(), n.s4(), n.s4())
	for _, e := range []vreg{k, n} {
		l.op("VSHL $23, %s, %s", e.s4(), e.s4())
		l.op("VADD %s, %s, %s", l.splat(1).s4(), e.s4(), e.s4()) // 2^e
		l.fmul(p, p, e)
	}
	l.free(r, n, k)
	return p
}

// expNormal is e^x too, but 0 below 2^-126.5 and +Inf above 2^127.5: it saves a
// third of the work where such numbers are as good as these. Adding 1½·2²³ to a
// number rounds it, and leaves it in the lowest bits.
func (l *neonLoop) expNormal(x vreg) vreg {
	rounding, r, power, n := l.splat(3<<22+127), l.clamp(x, -127*math.Ln2, 128*math.Ln2), l.vec(), l.vec()
	l.move(power, rounding)
	l.fmlaBy(power, r, l.single(math.Log2E))
	l.fsub(n, power, rounding)
	l.fmlsBy(r, n, l.single(ln2High))
	l.fmlsBy(r, n, l.single(ln2Low))
	p := l.horner(none, r, expNormalCoefficients...)
	l.op("VSHL $23, %s, %s", power.s4(), power.s4())
	l.fmul(p, p, power)
	l.free(r, power, n)
	return p
}

func (l *neonLoop) expSum() {
	l.function("expSumNEON", "func(y, x []float32, shift float32) float64", "y", "x")
	shift, sums := l.everywhere("shift"), l.sums(2)
	l.each(2, func() {
		x := l.read("x")
		l.fsub(x, x, shift)
		e := l.expNormal(x)
		l.write(e, "y")
		l.addWidened(sums, e)
	})
	l.endWithSums(sums)
}

func (l *neonLoop) expShift() {
	l.function("expShiftNEON", "func(y, x []float32, scale, shift float32) float64", "y", "x")
	scale, shift := l.scalar("scale"), l.everywhere("shift")
	l.fneg(shift, shift)
	sums := l.sums(2)
	l.each(2, func() {
		x, arg := l.read("x"), l.vec()
		l.move(arg, shift)
		l.fmlaBy(arg, x, scale)
		e := l.exp(arg)
		l.write(e, "y")
		l.addWidened(sums, e)
	})
	l.endWithSums(sums)
}

// onePlusExp is 1 + e^-x.
func (l *neonLoop) onePlusExp(x vreg) vreg {
	minus := l.vec()
	l.fneg(minus, x)
	e := l.expNormal(minus)
	l.fadd(e, e, l.splat(1))
	l.free(minus)
	return e
}

// sigmoid is 1/(1 + e^-x).
func (l *neonLoop) sigmoid(x vreg) vreg {
	d := l.onePlusExp(x)
	l.fdiv(d, l.splat(1), d)
	return d
}

func (l *neonLoop) siluMul() {
	l.function("siluMulNEON", "func(y, gate, up []float32)", "y", "gate", "up")
	l.each(2, func() {
		g := l.read("gate")
		l.fdiv(g, g, l.onePlusExp(g))
		l.fmul(g, g, l.read("up"))
		l.write(g, "y")
	})
	l.end()
}

func (l *neonLoop) siluMulGrad() {
	l.function("siluMulGradNEON", "func(dgate, dup, dy, gate, up []float32, acc bool)",
		"dgate", "dup", "dy", "gate", "up")
	keep := l.keep()
	l.each(2, func() {
		g := l.read("gate")
		s, rest, slope := l.sigmoid(g), l.vec(), l.vec()
		l.fsub(rest, l.splat(1), s)
		l.move(slope, l.splat(1))
		l.fmla(slope, g, rest) // 1 + g·(1-s)
		l.fmul(slope, slope, s)
		l.fmul(slope, slope, l.read("up"))
		l.fmul(g, g, s)
		dy := l.read("dy")
		l.fmul(slope, slope, dy)
		l.fmul(g, g, dy)
		l.writeAcc(slope, keep, "dgate")
		l.writeAcc(g, keep, "dup")
	})
	l.end()
}

// normalCDF is Φ(x), and e^(-x²/2), of which Φ(-|x|) is a multiple: the other factor is
// a polynomial in |x|. Beyond its range that stays what it is at the end, and the
// exponential is what counts.
func (l *neonLoop) normalCDF(x vreg) (cdf, e vreg) {
	size, h, mask := l.vec(), l.vec(), l.vec()
	l.fabs(size, x)
	l.fmin(size, size, l.splat(tailRange))
	l.fmulBy(h, x, l.single(-0.5))
	l.fmul(h, h, x)
	e, cdf = l.expNormal(h), l.vec()
	tail := l.horner(none, size, tailCoefficients...)
	l.fmul(tail, tail, e)
	l.fsub(cdf, l.splat(1), tail)
	l.sshr(mask, x, 31)
	l.choose(cdf, tail, mask)
	l.free(size, h, mask, tail)
	return cdf, e
}

func (l *neonLoop) gelu() {
	l.function("geluNEON", "func(y, x []float32)", "y", "x")
	l.each(2, func() {
		x := l.read("x")
		c, _ := l.normalCDF(x)
		l.fmul(x, x, c)
		l.write(x, "y")
	})
	l.end()
}

// geluGrad multiplies by Φ(x) + x·φ(x); beyond ±32 that is 0 or 1 to the last bit.
func (l *neonLoop) geluGrad() {
	l.function("geluGradNEON", "func(dx, dy, x []float32, acc bool)", "dx", "dy", "x")
	keep := l.keep()
	l.each(2, func() {
		x := l.clamp(l.read("x"), -32, 32)
		c, density := l.normalCDF(x)
		l.fmulBy(density, density, l.single(1/math.Sqrt(2*math.Pi)))
		l.fmla(c, density, x)
		l.fmul(c, c, l.read("dy"))
		l.writeAcc(c, keep, "dx")
	})
	l.end()
}

// geluTanhInner is c1·(x + c3·x³), and s = x².
func (l *neonLoop) geluTanhInner(x vreg) (inner, s vreg) {
	s = l.vec()
	l.fmul(s, x, x)
	inner = l.horner(none, s, geluC1*geluC3, geluC1)
	l.fmul(inner, inner, x)
	return inner, s
}

func (l *neonLoop) geluTanh() {
	l.function("geluTanhNEON", "func(y, x []float32)", "y", "x")
	l.each(2, func() {
		x := l.read("x")
		inner, _ := l.geluTanhInner(x)
		l.fdiv(x, x, l.onePlusExp(inner))
		l.write(x, "y")
	})
	l.end()
}

// geluTanhGrad multiplies by σ + x·σ·(1-σ)·c1·(1 + 3·c3·x²); beyond ±32 that is 0
// or 1 to the last bit.
func (l *neonLoop) geluTanhGrad() {
	l.function("geluTanhGradNEON", "func(dx, dy, x []float32, acc bool)", "dx", "dy", "x")
	keep := l.keep()
	l.each(2, func() {
		x := l.clamp(l.read("x"), -32, 32)
		inner, square := l.geluTanhInner(x)
		s, rest, slope := l.sigmoid(inner), l.vec(), l.horner(none, square, 3*geluC1*geluC3, geluC1)
		l.fmul(slope, slope, x)
		l.fsub(rest, l.splat(1), s)
		l.fmul(slope, slope, rest)
		l.move(rest, s)
		l.fmla(rest, slope, s)
		l.fmul(rest, rest, l.read("dy"))
		l.writeAcc(rest, keep, "dx")
	})
	l.end()
}
