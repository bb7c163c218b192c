package main

import "math"

// odd is an odd function that tends to 1: near 0 by x + x·p(x²), from the bound on
// by 1 - far(|x|) with the sign of x. Beyond most it is what it is there.
func (l *loopWriter) odd(x vector, bound, most float64, p []float64, far func(t vector) vector) vector {
	t, s := l.vec(), l.vec()
	l.VANDPS(l.bits(math.MaxInt32), x, t)
	l.VMULPS(t, t, s)
	near := l.constant(p[0])
	l.horner(near, s, p[1:]...)
	l.VFMADD213PS(x, x, near)

	cut, sign := l.constant(most), l.vec()
	l.VMINPS(t, cut, cut) // a NaN in the first operand is the result
	upper := l.oneMinus(far(cut))
	l.VANDPS(l.bits(1<<31), x, sign)
	l.VORPS(sign, upper, upper)
	return l.where(t, lessOrEqual, l.float(bound), near, upper)
}

func (l *loopWriter) oddFunctions() {
	l.function("tanh", "func(y, x []float32)", "y", "x")
	l.each("y", 2, func() {
		coefficients := append(append([]float64{}, tanhCoefficients...), 0)
		l.store(l.odd(l.load("x"), tanhBound, 10, coefficients, func(t vector) vector {
			// 1 - tanh(t) = 2/(e^2t + 1)
			l.VADDPS(t, t, t)
			d, v := l.onePlus(l.expNormal(t)), l.constant(2)
			l.VDIVPS(d, v, v)
			return v
		}), "y")
	})
	l.end()

	l.function("erf", "func(y, x []float32)", "y", "x")
	l.each("y", 2, func() {
		l.store(l.odd(l.load("x"), erfBound, 8, erfCoefficients, func(t vector) vector {
			q := l.constant(erfcCoefficients[0])
			l.horner(q, t, erfcCoefficients[1:]...)
			l.VFMSUB213PS(t, t, q)
			return l.expNormal(q)
		}), "y")
	})
	l.end()
}
