package main

// odd is an odd function that tends to 1: near 0 by x + x·p(x²), from the bound on
// by 1 - far(|x|) with the sign of x. far is 0 by itself where x is large.
func (l *neonLoop) odd(x vreg, bound float64, p []float64, far func(t vreg) vreg) vreg {
	t, s, near, upper := l.vec(), l.vec(), l.vec(), l.vec()
	l.fabs(t, x)
	l.fmul(s, t, t)
	l.move(near, x)
	q := l.horner(none, s, p...)
	l.fmla(near, x, q)
	l.free(s, q)

	l.fsub(upper, l.splat(1), far(t))
	l.choose(upper, x, l.splatBits(1<<31))
	l.fcmge(t, l.splat(bound), t)
	l.choose(upper, near, t)
	return upper
}

func (l *neonLoop) oddFunctions() {
	l.function("tanhNEON", "func(y, x []float32)", "y", "x")
	l.each(2, func() {
		coefficients := append(append([]float64{}, tanhCoefficients...), 0)
		l.write(l.odd(l.read("x"), tanhBound, coefficients, func(t vreg) vreg {
			// 1 - tanh(t) = 2/(e^2t + 1)
			double := l.vec()
			l.fadd(double, t, t)
			e := l.expNormal(double)
			l.fadd(e, e, l.splat(1))
			l.fdiv(e, l.splat(2), e)
			return e
		}), "y")
	})
	l.end()

	l.function("erfNEON", "func(y, x []float32)", "y", "x")
	l.each(2, func() {
		l.write(l.odd(l.read("x"), erfBound, erfCoefficients, func(t vreg) vreg {
			q, arg := l.horner(none, t, erfcCoefficients...), l.vec()
			l.fneg(arg, t)
			l.fmla(arg, t, q) // q(t)·t - t
			l.free(q)
			return l.expNormal(arg)
		}), "y")
	})
	l.end()
}
