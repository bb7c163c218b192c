package main

import (
	"math"
	"strings"

	"github.com/mmcloughlin/avo/operand"
)

// reduceSum is Σ of the product of one to three slices. The lanes are widened
// before they are multiplied: a product of two float32 is exact in float64.
func (l *loopWriter) reduceSum(name string, slices ...string) {
	l.function(name, "func("+strings.Join(slices, ", ")+" []float32) float64", slices...)
	acc := []vec{l.YMM(), l.YMM(), l.YMM(), l.YMM()}
	for _, a := range acc {
		l.VXORPD(a, a, a)
	}
	l.each(slices[0], 2, func() {
		for half := range 2 {
			sum := acc[2*(l.block%2)+half]
			var wide []vec
			for _, s := range slices {
				wide = append(wide, l.widen(s, half))
			}
			switch len(wide) {
			case 1:
				l.VADDPD(wide[0], sum, sum)
			case 2:
				l.VFMADD231PD(wide[0], wide[1], sum)
			case 3:
				l.VMULPD(wide[0], wide[1], wide[1])
				l.VFMADD231PD(wide[1], wide[2], sum)
			}
		}
	})
	l.returnDoubles(acc...)
}

// widen reads four of the eight lanes as float64.
func (l *loopWriter) widen(slice string, half int) vec {
	v, m := l.YMM(), l.at(slice)
	m.Disp += 16 * half
	if l.mask == nil {
		l.VCVTPS2PD(m, v)
		return v
	}
	mask := l.mask
	if half == 1 {
		mask = l.YMM()
		l.VEXTRACTF128(operand.U8(1), l.mask, mask.AsX())
	}
	l.VMASKMOVPS(m, mask.AsX(), v.AsX())
	l.VCVTPS2PD(v.AsX(), v)
	return v
}

func (l *loopWriter) maximum() {
	l.function("maximumAVX2", "func(x []float32) float32", "x")
	lowest := l.float(math.Inf(-1))
	acc := []vec{l.YMM(), l.YMM(), l.YMM(), l.YMM()}
	for _, a := range acc {
		l.VMOVUPS(lowest, a)
	}
	l.each("x", 4, func() {
		v := l.load("x")
		if l.mask != nil {
			low := l.YMM()
			l.VMOVUPS(lowest, low)
			l.VBLENDVPS(l.mask, v, low, v)
		}
		// The accumulator is the operand that survives a NaN.
		l.VMAXPS(acc[l.block], v, acc[l.block])
	})
	l.VMAXPS(acc[2], acc[0], acc[0])
	l.VMAXPS(acc[3], acc[1], acc[1])
	l.VMAXPS(acc[1], acc[0], acc[0])
	m, t := acc[0].AsX(), l.XMM()
	l.VEXTRACTF128(operand.U8(1), acc[0], t)
	l.VMAXPS(t, m, m)
	l.VMOVHLPS(m, m, t)
	l.VMAXPS(t, m, m)
	l.VMOVSHDUP(m, t)
	l.VMAXPS(t, m, m)
	l.VZEROUPPER()
	l.Store(m, l.ReturnIndex(0))
	l.RET()
}

func (l *loopWriter) axpy() {
	l.function("axpyAVX2", "func(alpha float32, x, y []float32)", "x", "y")
	alpha := l.splat("alpha")
	l.each("x", 4, func() {
		x, y := l.load("x"), l.load("y")
		l.VFMADD231PS(x, alpha, y)
		l.store(y, "y")
	})
	l.end()
}

func (l *loopWriter) scale() {
	l.function("scaleAVX2", "func(y []float32, alpha float32, x []float32)", "x", "y")
	alpha := l.splat("alpha")
	l.each("x", 4, func() {
		x := l.load("x")
		l.VMULPS(x, alpha, x)
		l.store(x, "y")
	})
	l.end()
}

func (l *loopWriter) shiftScale() {
	l.function("shiftScaleAVX2", "func(y []float32, alpha float32, x []float32, shift float32)", "x", "y")
	alpha, shift := l.splat("alpha"), l.splat("shift")
	l.each("x", 4, func() {
		x := l.load("x")
		l.VSUBPS(shift, x, x)
		l.VMULPS(x, alpha, x)
		l.store(x, "y")
	})
	l.end()
}

func (l *loopWriter) add() {
	l.function("addAVX2", "func(dst, a, b []float32)", "dst", "a", "b")
	l.each("dst", 4, func() {
		a, b := l.load("a"), l.load("b")
		l.VADDPS(b, a, a)
		l.store(a, "dst")
	})
	l.end()
}

func (l *loopWriter) mul() {
	l.function("mulAVX2", "func(dst []float32, alpha float32, a, b []float32)", "dst", "a", "b")
	alpha := l.splat("alpha")
	l.each("dst", 4, func() {
		a, b := l.load("a"), l.load("b")
		l.VMULPS(a, alpha, a)
		l.VMULPS(b, a, a)
		l.store(a, "dst")
	})
	l.end()
}

func (l *loopWriter) mulAdd() {
	l.function("mulAddAVX2", "func(dst []float32, alpha float32, a, b []float32)", "dst", "a", "b")
	alpha := l.splat("alpha")
	l.each("dst", 4, func() {
		a, b, d := l.load("a"), l.load("b"), l.load("dst")
		l.VMULPS(a, alpha, a)
		l.VFMADD231PS(a, b, d)
		l.store(d, "dst")
	})
	l.end()
}

// rotate is the plane rotation of the pairs (x1_i, x2_i); sign -1 turns back.
func (l *loopWriter) rotate() {
	l.function("rotateAVX2", "func(y1, y2, x1, x2, cos, sin []float32, sign float32, acc bool)",
		"y1", "y2", "x1", "x2", "cos", "sin")
	sign, keep := l.splat("sign"), l.keep("acc")
	l.each("y1", 1, func() {
		x1, x2, cos, sin := l.load("x1"), l.load("x2"), l.load("cos"), l.load("sin")
		a, b := l.YMM(), l.YMM()
		l.VMULPS(sign, sin, sin)
		l.VMULPS(sin, x2, a)
		l.VMULPS(sin, x1, b)
		l.VFMSUB231PS(cos, x1, a)
		l.VFMADD231PS(cos, x2, b)
		l.storeAcc(a, keep, "y1")
		l.storeAcc(b, keep, "y2")
	})
	l.end()
}

// adamw is one step of AdamW; the scalars are prepared by the caller.
func (l *loopWriter) adamw() {
	l.function("adamwAVX2",
		"func(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32)",
		"w", "g", "m", "v")
	decay, rest1, beta2, rest2 := l.splat("decay"), l.splat("rest1"), l.splat("beta2"), l.splat("rest2")
	invRoot, eps, step := l.splat("invRoot"), l.splat("eps"), l.splat("step")
	l.each("w", 1, func() {
		w, g, m, v := l.load("w"), l.load("g"), l.load("m"), l.load("v")
		d := l.YMM()
		l.VSUBPS(m, g, d)
		l.VFMADD231PS(d, rest1, m)
		l.store(m, "m")
		l.VMULPS(g, g, g)
		l.VMULPS(rest2, g, g)
		l.VFMADD213PS(g, beta2, v)
		l.store(v, "v")
		l.VSQRTPS(v, v)
		l.VFMADD213PS(eps, invRoot, v)
		l.VDIVPS(v, m, m)
		l.VMULPS(decay, w, w)
		l.VFNMADD231PS(m, step, w)
		l.store(w, "w")
	})
	l.end()
}
