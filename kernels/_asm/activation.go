package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// clamp is x, or the bound that it is beyond. NaN passes.
func (l *loopWriter) clamp(x vec, low, high float64) vec {
	v, bound := l.YMM(), l.YMM()
	l.VMOVUPS(l.float(high), v)
	l.VMINPS(x, v, v) // a NaN in the first operand is the result
	l.VMOVUPS(l.float(low), bound)
	l.VMAXPS(v, bound, v)
	return v
}

// exp is e^x in each lane: x = n·ln2 + r with |r| ≤ ln2/2, a polynomial of degree
// 7 in r (Cephes expf), and 2^n in two factors, so that results below the
// smallest normal number are rounded once. Beyond the clamp the result is 0 or
// +Inf by itself; NaN passes.
func (l *loopWriter) exp(x vec) vec {
	v, n, k, p := l.clamp(x, -104, 89), l.YMM(), l.YMM(), l.YMM()

	l.VMULPS(l.float(math.Log2E), v, n)
	l.VROUNDPS(operand.U8(8), n, n)
	l.VFNMADD231PS(l.float(0.693359375), n, v)
	l.VFNMADD231PS(l.float(-2.12194440e-4), n, v)

	l.VMOVUPS(l.float(1.9875691500e-4), p)
	for _, c := range []float64{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 1} {
		l.VFMADD213PS(l.float(c), v, p)
	}

	l.VCVTPS2DQ(n, n)
	l.VPSRAD(operand.U8(1), n, k)
	l.VPSUBD(k, n, n)
	for _, e := range []vec{k, n} {
		l.VPADDD(l.bits(127), e, e)
		l.VPSLLD(operand.U8(23), e, e)
		l.VMULPS(e, p, p)
	}
	return p
}

func (l *loopWriter) expShift() {
	l.function("expShiftAVX2", "func(y, x []float32, scale, shift float32) float64", "y", "x")
	scale, shift := l.splat("scale"), l.splat("shift")
	low, high := l.zeros(), l.zeros()
	l.each("x", 1, func() {
		x := l.load("x")
		l.VFMSUB213PS(shift, scale, x)
		e := l.exp(x)
		l.store(e, "y")
		if l.mask != nil {
			l.VANDPS(l.mask, e, e)
		}
		l.addDoubles(e, low, high)
	})
	l.returnDoubles(low, high)
}

// negate flips the sign of every lane.
func (l *loopWriter) negate(x vec) vec {
	v := l.YMM()
	l.VXORPS(l.bits(1<<31), x, v)
	return v
}

// onePlus is 1 + x.
func (l *loopWriter) onePlus(x vec) vec {
	v := l.YMM()
	l.VADDPS(l.float(1), x, v)
	return v
}

// sigmoid is 1/(1 + e^-x).
func (l *loopWriter) sigmoid(x vec) vec {
	d, s := l.onePlus(l.exp(l.negate(x))), l.YMM()
	l.VMOVUPS(l.float(1), s)
	l.VDIVPS(d, s, s)
	return s
}

// oneMinus is 1 - x.
func (l *loopWriter) oneMinus(x vec) vec {
	v := l.YMM()
	l.VMOVUPS(l.float(1), v)
	l.VSUBPS(x, v, v)
	return v
}

func (l *loopWriter) siluMul() {
	l.function("siluMulAVX2", "func(y, gate, up []float32)", "y", "gate", "up")
	l.each("y", 1, func() {
		g := l.load("gate")
		d := l.onePlus(l.exp(l.negate(g)))
		l.VDIVPS(d, g, g)
		l.VMULPS(l.load("up"), g, g)
		l.store(g, "y")
	})
	l.end()
}

func (l *loopWriter) siluMulGrad() {
	l.function("siluMulGradAVX2", "func(dgate, dup, dy, gate, up []float32, acc bool)",
		"dgate", "dup", "dy", "gate", "up")
	keep := l.keep("acc")
	l.each("dgate", 1, func() {
		g := l.load("gate")
		s := l.sigmoid(g)
		slope := l.oneMinus(s)
		l.VFMADD213PS(l.float(1), g, slope) // 1 + g·(1-s)
		l.VMULPS(s, slope, slope)
		l.VMULPS(l.load("up"), slope, slope)
		l.VMULPS(s, g, g)
		dy := l.load("dy")
		l.VMULPS(dy, slope, slope)
		l.VMULPS(dy, g, g)
		l.storeAcc(slope, keep, "dgate")
		l.storeAcc(g, keep, "dup")
	})
	l.end()
}

// normalCDF is Φ(x) = ½ erfc(-x/√2). With t = |x|/√2: for t ≤ 0.927734375,
// ½ + ½ erf(t) by an odd polynomial; above it, ½ erfc(t) = ½ e^q(t), taken from 1
// on the right side (N. Juffa's single precision erf).
func (l *loopWriter) normalCDF(x vec) vec {
	t, s, r, u := l.YMM(), l.YMM(), l.YMM(), l.YMM()
	l.VANDPS(l.bits(math.MaxInt32), x, t)
	l.VMULPS(l.float(1/math.Sqrt2), t, t)
	l.VMULPS(t, t, s)

	l.VMOVUPS(l.float(-1.72853470e-5), r)
	l.VFMADD213PS(l.float(3.83197126e-4), t, r)
	l.VMOVUPS(l.float(-3.88396438e-3), u)
	l.VFMADD213PS(l.float(2.42546219e-2), t, u)
	l.VFMADD213PS(u, s, r)
	for _, c := range []float64{-1.06777877e-1, -6.34846687e-1, -1.28717512e-1} {
		l.VFMADD213PS(l.float(c), t, r)
	}
	l.VFMSUB213PS(t, t, r)
	tail := l.exp(r)
	l.VMULPS(l.float(0.5), tail, tail)
	upper := l.oneMinus(tail)
	l.VBLENDVPS(x, tail, upper, upper) // by the sign of x

	p := l.YMM()
	l.VMOVUPS(l.float(-5.96761703e-4), p)
	for _, c := range []float64{4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1} {
		l.VFMADD213PS(l.float(c), s, p)
	}
	z := l.YMM()
	l.VMULPS(l.float(1/math.Sqrt2), x, z)
	l.VFMADD213PS(z, z, p) // erf(x/√2)
	l.VMULPS(l.float(0.5), p, p)
	l.VADDPS(l.float(0.5), p, p)

	near := l.YMM()
	l.VCMPPS(operand.U8(2), l.float(0.927734375), t, near) // t ≤ bound
	l.VBLENDVPS(near, p, upper, upper)
	return upper
}

func (l *loopWriter) gelu() {
	l.function("geluAVX2", "func(y, x []float32)", "y", "x")
	l.each("y", 1, func() {
		x := l.load("x")
		c := l.normalCDF(x)
		l.VMULPS(c, x, x)
		l.store(x, "y")
	})
	l.end()
}

// geluGrad multiplies by Φ(x) + x·φ(x); beyond ±32 that is 0 or 1 to the last bit.
func (l *loopWriter) geluGrad() {
	l.function("geluGradAVX2", "func(dx, dy, x []float32, acc bool)", "dx", "dy", "x")
	keep := l.keep("acc")
	l.each("dx", 1, func() {
		x := l.clamp(l.load("x"), -32, 32)
		c := l.normalCDF(x)
		h := l.YMM()
		l.VMULPS(l.float(-0.5), x, h)
		l.VMULPS(x, h, h)
		density := l.exp(h)
		l.VMULPS(l.float(1/math.Sqrt(2*math.Pi)), density, density)
		l.VFMADD231PS(x, density, c)
		l.VMULPS(l.load("dy"), c, c)
		l.storeAcc(c, keep, "dx")
	})
	l.end()
}

// The constants of tanh-GELU: x·σ(c1·(x + c3·x³)).
const (
	geluC1 = 1.5957691216057307117597842397375
	geluC3 = 0.044715
)

// geluTanhInner is c1·(x + c3·x³), and s = x².
func (l *loopWriter) geluTanhInner(x vec) (inner, s vec) {
	inner, s = l.YMM(), l.YMM()
	l.VMULPS(x, x, s)
	l.VMOVUPS(l.float(geluC1*geluC3), inner)
	l.VFMADD213PS(l.float(geluC1), s, inner)
	l.VMULPS(x, inner, inner)
	return inner, s
}

func (l *loopWriter) geluTanh() {
	l.function("geluTanhAVX2", "func(y, x []float32)", "y", "x")
	l.each("y", 1, func() {
		x := l.load("x")
		inner, _ := l.geluTanhInner(x)
		d := l.onePlus(l.exp(l.negate(inner)))
		l.VDIVPS(d, x, x)
		l.store(x, "y")
	})
	l.end()
}

// geluTanhGrad multiplies by σ + x·σ·(1-σ)·c1·(1 + 3·c3·x²); beyond ±32 that is 0
// or 1 to the last bit.
func (l *loopWriter) geluTanhGrad() {
	l.function("geluTanhGradAVX2", "func(dx, dy, x []float32, acc bool)", "dx", "dy", "x")
	keep := l.keep("acc")
	l.each("dx", 1, func() {
		x := l.clamp(l.load("x"), -32, 32)
		inner, square := l.geluTanhInner(x)
		s := l.sigmoid(inner)
		slope := l.YMM()
		l.VMOVUPS(l.float(3*geluC1*geluC3), slope)
		l.VFMADD213PS(l.float(geluC1), square, slope)
		l.VMULPS(x, slope, slope)
		l.VMULPS(l.oneMinus(s), slope, slope)
		l.VFMADD213PS(s, s, slope)
		l.VMULPS(l.load("dy"), slope, slope)
		l.storeAcc(slope, keep, "dx")
	})
	l.end()
}
