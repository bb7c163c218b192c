package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// clamp is x, or the bound that it is beyond. NaN passes.
func (l *loopWriter) clamp(x vector, low, high float64) vector {
	v, bound := l.constant(high), l.constant(low)
	l.VMINPS(x, v, v) // a NaN in the first operand is the result
	l.VMAXPS(v, bound, v)
	return v
}

// horner is p·x^n + …, in place of p, by the coefficients that follow.
func (l *loopWriter) horner(p, x vector, coefficients ...float64) {
	for _, c := range coefficients {
		l.VFMADD213PS(l.float(c), x, p)
	}
}

// exp is e^x in each lane, to 2 units in the last place: x = n·ln2 + r with
// |r| ≤ ln2/2, a polynomial of degree 7 in r (Cephes expf), and 2^n so that
// results below the smallest normal number are rounded once more. Beyond the clamp
// the result is 0 or +Inf by itself; NaN passes.
func (l *loopWriter) exp(x vector) vector {
	x = l.clamp(x, -104, 89)
	n := l.vec()
	l.VMULPS(l.float(math.Log2E), x, n)
	n = l.round(n)
	l.VFNMADD231PS(l.float(ln2High), n, x)
	l.VFNMADD231PS(l.float(ln2Low), n, x)
	p := l.constant(expCoefficients[0])
	l.horner(p, x, expCoefficients[1:]...)
	return l.times2To(p, n)
}

// expNormal is e^x too, but 0 below 2^-126.5 and +Inf above 2^127.5: it saves a
// third of the work where such numbers are as good as these. Adding 1½·2²³ to a
// number rounds it, and leaves it in the lowest bits.
func (l *loopWriter) expNormal(x vector) vector {
	const shift = 3<<22 + 127
	x = l.clamp(x, -127*math.Ln2, 128*math.Ln2)
	power, n := l.constant(shift), l.vec()
	l.VFMADD231PS(l.float(math.Log2E), x, power)
	l.VSUBPS(l.float(shift), power, n)
	l.VFNMADD231PS(l.float(ln2High), n, x)
	l.VFNMADD231PS(l.float(ln2Low), n, x)
	p := l.constant(expNormalCoefficients[0])
	l.horner(p, x, expNormalCoefficients[1:]...)
	l.VPSLLD(operand.U8(23), power, power)
	l.VMULPS(power, p, p)
	return p
}

func (l *loopWriter) expShift() {
	l.function("expShift", "func(y, x []float32, scale, shift float32) float64", "y", "x")
	scale, shift := l.splat("scale"), l.splat("shift")
	sums := l.doubles()
	l.eachSummed("x", func() []vector {
		x := l.load("x")
		l.VFMSUB213PS(shift, scale, x)
		e := l.exp(x)
		l.store(e, "y")
		return []vector{e}
	}, sums)
	l.returnTotals(l.total(sums[0], sums[1]))
}

// eachSummed is each, three vectors a turn, whose results are added to sums, one of each.
// Those of one turn are added as float32 first, since it is slow to widen them.
func (l *loopWriter) eachSummed(length string, body func() []vector, sums ...[2]vector) {
	var turn []vector
	l.each(length, 3, func() {
		results := body()
		for i, v := range results {
			results[i] = l.inside(v, 0)
		}
		if l.block == 0 {
			turn = results
		} else {
			for i, v := range results {
				l.VADDPS(v, turn[i], turn[i])
			}
		}
		if l.block == l.blocks-1 {
			for i, v := range turn {
				l.addDoubles(v, sums[i])
			}
		}
	})
}

// negate flips the sign of every lane.
func (l *loopWriter) negate(x vector) vector {
	v := l.vec()
	l.VXORPS(l.bits(1<<31), x, v)
	return v
}

// onePlus is 1 + x.
func (l *loopWriter) onePlus(x vector) vector {
	v := l.vec()
	l.VADDPS(l.float(1), x, v)
	return v
}

// sigmoid is 1/(1 + e^-x).
func (l *loopWriter) sigmoid(x vector) vector {
	d, s := l.onePlus(l.expNormal(l.negate(x))), l.vec()
	l.VMOVUPS(l.float(1), s)
	l.VDIVPS(d, s, s)
	return s
}

// oneMinus is 1 - x.
func (l *loopWriter) oneMinus(x vector) vector {
	v := l.vec()
	l.VMOVUPS(l.float(1), v)
	l.VSUBPS(x, v, v)
	return v
}

func (l *loopWriter) siluMul() {
	l.function("siluMul", "func(y, gate, up []float32)", "y", "gate", "up")
	l.each("y", 3, func() {
		g := l.load("gate")
		d := l.onePlus(l.expNormal(l.negate(g)))
		l.VDIVPS(d, g, g)
		l.VMULPS(l.load("up"), g, g)
		l.store(g, "y")
	})
	l.end()
}

func (l *loopWriter) siluMulGrad() {
	l.function("siluMulGrad", "func(dgate, dup, dy, gate, up []float32, acc bool)",
		"dgate", "dup", "dy", "gate", "up")
	keep := l.keep("acc")
	l.each("dgate", 3, func() {
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

// gelu is x·Φ(x), and geluGrad multiplies by the derivative Φ(x) + x·φ(x) (arXiv
// 1606.08415): of either factor those at x and at -x make 1.
func (l *loopWriter) gelu() {
	const end, slopeEnd = 5.5, 6 // where they are 0, to 2e-8 and 4e-8
	degree := 8
	if l.wide() {
		degree = 5
	}
	normal := func(a float64) float64 { return math.Erfc(a/math.Sqrt2) / 2 } // Φ(-a)
	slope := func(a float64) float64 { return normal(a) - a*math.Exp(-a*a/2)/math.Sqrt(2*math.Pi) }

	l.function("gelu", "func(y, x []float32)", "y", "x")
	l.ahead = []string{"x", "y"}
	tail := l.lookup("gelu"+l.level, fit(normal, end, l.pieces(), degree))
	l.each("y", 3, func() {
		y := l.complement(tail, "x")
		l.VMULPS(l.load("x"), y, y)
		l.store(y, "y")
	})
	l.end()

	l.function("geluGrad", "func(dx, dy, x []float32, acc bool)", "dx", "dy", "x")
	l.ahead = []string{"dy", "x", "dx"}
	keep := l.keep("acc")
	tail = l.lookup("geluGrad"+l.level, fit(slope, slopeEnd, l.pieces(), degree+1))
	l.each("dx", 3, func() {
		d := l.complement(tail, "x")
		l.VMULPS(l.load("dy"), d, d)
		l.storeAcc(d, keep, "dx")
	})
	l.end()
}

// complement is a function of |x| where x is negative, else what that lacks to 1. It
// reads x twice: to keep it would take a register.
func (l *loopWriter) complement(u lookup, x string) vector {
	y := l.of(u, l.load(x))
	return l.whereNegative(l.load(x), y, l.oneMinus(y))
}

// The constants of tanh-GELU: x·σ(c1·(x + c3·x³)).
const (
	geluC1 = 1.5957691216057307117597842397375
	geluC3 = 0.044715
)

// geluTanhInner is c1·(x + c3·x³), and s = x².
func (l *loopWriter) geluTanhInner(x vector) (inner, s vector) {
	inner, s = l.vec(), l.vec()
	l.VMULPS(x, x, s)
	l.VMOVUPS(l.float(geluC1*geluC3), inner)
	l.VFMADD213PS(l.float(geluC1), s, inner)
	l.VMULPS(x, inner, inner)
	return inner, s
}

func (l *loopWriter) geluTanh() {
	l.function("geluTanh", "func(y, x []float32)", "y", "x")
	l.ahead = []string{"x", "y"}
	l.each("y", 3, func() {
		x := l.load("x")
		inner, _ := l.geluTanhInner(x)
		d := l.onePlus(l.expNormal(l.negate(inner)))
		l.VDIVPS(d, x, x)
		l.store(x, "y")
	})
	l.end()
}

// geluTanhGrad multiplies by σ + x·σ·(1-σ)·c1·(1 + 3·c3·x²); beyond ±32 that is 0
// or 1 to the last bit.
func (l *loopWriter) geluTanhGrad() {
	l.function("geluTanhGrad", "func(dx, dy, x []float32, acc bool)", "dx", "dy", "x")
	l.ahead = []string{"dy", "x", "dx"}
	keep := l.keep("acc")
	l.each("dx", 3, func() {
		x := l.clamp(l.load("x"), -32, 32)
		inner, square := l.geluTanhInner(x)
		s := l.sigmoid(inner)
		slope := l.vec()
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
