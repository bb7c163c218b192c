package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dot widens the lanes before they are multiplied: a product of two float32 is exact in
// float64.
func (l *loopWriter) dot() {
	l.function("dot", "func(x, y []float32) float64", "x", "y")
	l.ahead = []string{"x"} // which may be y
	sums := [][2]vector{l.doubles(), l.doubles()}
	l.each("x", 2, func() {
		for upper, sum := range sums[l.block] {
			l.VFMADD231PD(l.widen("x", upper), l.widen("y", upper), sum)
		}
	})
	l.returnTotals(l.total(sums[0][0], sums[0][1], sums[1][0], sums[1][1]))
}

func (l *loopWriter) dot3() {
	l.function("dot3", "func(x, y, z []float32) float64", "x", "y", "z")
	l.ahead = []string{"x", "z"} // y has the weights, the same for every row
	sums := l.doubles()
	l.eachSummed("x", func() []vector {
		x, y, z := l.load("x"), l.load("y"), l.load("z")
		l.VMULPS(y, z, z)
		l.VMULPS(z, x, x)
		return []vector{x}
	}, sums)
	l.returnTotals(l.total(sums[0], sums[1]))
}

func (l *loopWriter) maximum() {
	l.function("maximum", "func(x []float32) float32", "x")
	l.ahead = []string{"x"}
	var tops []vector
	for range 4 {
		tops = append(tops, l.constant(math.Inf(-1)))
	}
	l.each("x", 4, func() {
		// The accumulator is the operand that survives a NaN.
		top := tops[l.block]
		l.VMAXPS(top, l.inside(l.load("x"), math.Inf(-1)), top)
	})
	l.VMAXPS(tops[2], tops[0], tops[0])
	l.VMAXPS(tops[3], tops[1], tops[1])
	l.VMAXPS(tops[1], tops[0], tops[0])
	top := tops[0]
	if l.wide() {
		l.VMAXPS(l.half(top, 1), top.AsY(), top.AsY())
	}
	m, t := top.AsX(), l.XMM()
	l.VEXTRACTF128(operand.U8(1), top.AsY(), t)
	l.VMAXPS(t, m, m)
	l.VMOVHLPS(m, m, t)
	l.VMAXPS(t, m, m)
	l.VMOVSHDUP(m, t)
	l.VMAXPS(t, m, m)
	l.returnTotals(top)
}

func (l *loopWriter) axpy() {
	l.function("axpy", "func(alpha float32, x, y []float32)", "x", "y")
	alpha := l.splat("alpha")
	l.each("x", 4, func() {
		x, y := l.load("x"), l.load("y")
		l.VFMADD231PS(x, alpha, y)
		l.store(y, "y")
	})
	l.end()
}

func (l *loopWriter) scale() {
	l.function("scale", "func(y []float32, alpha float32, x []float32)", "x", "y")
	alpha := l.splat("alpha")
	l.each("x", 4, func() {
		x := l.load("x")
		l.VMULPS(x, alpha, x)
		l.store(x, "y")
	})
	l.end()
}

// scaleRows is scale for each row of a matrix: a row of a head is so short that a call
// for each costs more than its products.
func (l *loopWriter) scaleRows() {
	l.function("scaleRows", "func(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int)", "y", "x")
	next := l.Load(l.Param("factors").Base(), l.GP64())
	bytes := func(name string) reg.Register {
		r := l.Load(l.Param(name), l.GP64())
		l.SHLQ(operand.U8(2), r)
		return r
	}
	ldy, ldx, step := bytes("ldy"), bytes("ldx"), bytes("step")
	rows, factor := l.Load(l.Param("rows"), l.GP64()), l.vec()
	l.Label("row")
	l.VBROADCASTSS(operand.Mem{Base: next}, factor)
	l.each("y", 4, func() {
		x := l.load("x")
		l.VMULPS(x, factor, x)
		l.store(x, "y")
	})
	l.ADDQ(ldy, l.slices["y"])
	l.ADDQ(ldx, l.slices["x"])
	l.ADDQ(step, next)
	l.DECQ(rows)
	l.JNZ(operand.LabelRef("row"))
	l.end()
}

func (l *loopWriter) normWeights() {
	l.function("normWeights", "func(dw, db, x, dy []float32, alpha, shift float32)", "dw", "db", "x", "dy")
	alpha, shift := l.splat("alpha"), l.splat("shift")
	l.each("dw", 2, func() {
		x, dy, dw, db := l.load("x"), l.load("dy"), l.load("dw"), l.load("db")
		l.VSUBPS(shift, x, x)
		l.VMULPS(x, alpha, x)
		l.VFMADD231PS(x, dy, dw)
		l.VADDPS(dy, db, db)
		l.store(dw, "dw")
		l.store(db, "db")
	})
	l.end()
}

func (l *loopWriter) add() {
	l.function("add", "func(dst, a, b []float32)", "dst", "a", "b")
	l.each("dst", 4, func() {
		a, b := l.load("a"), l.load("b")
		l.VADDPS(b, a, a)
		l.store(a, "dst")
	})
	l.end()
}

func (l *loopWriter) mul() {
	l.function("mul", "func(dst []float32, alpha float32, a, b []float32)", "dst", "a", "b")
	l.ahead = []string{"dst"}
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
	l.function("mulAdd", "func(dst []float32, alpha float32, a, b []float32)", "dst", "a", "b")
	alpha := l.splat("alpha")
	l.each("dst", 4, func() {
		a, b, d := l.load("a"), l.load("b"), l.load("dst")
		l.VMULPS(a, alpha, a)
		l.VFMADD231PS(a, b, d)
		l.store(d, "dst")
	})
	l.end()
}

// rotateHeads is the plane rotation of the pairs of each head of a row, of as many
// elements as there are cosines and sines.
func (l *loopWriter) rotateHeads() {
	l.function("rotateHeads", "func(y, x, cos, sin []float32, sign float32, acc bool)", "y", "x", "cos", "sin")
	sign, keep := l.splat("sign"), l.keep("acc")
	half, size, left := l.GP64(), l.GP64(), l.GP64()
	l.Load(l.Param("cos").Len(), half)
	l.Load(l.Param("y").Len(), left)
	for _, s := range []string{"y", "x"} {
		l.slices[s+"2"] = l.GP64()
		l.LEAQ(operand.Mem{Base: l.slices[s], Index: half, Scale: 4}, l.slices[s+"2"])
	}
	l.MOVQ(half, size)
	l.SHLQ(operand.U8(3), size)
	l.Label("head")
	l.each("cos", 2, func() {
		x1, x2, cos, sin := l.load("x"), l.load("x2"), l.load("cos"), l.load("sin")
		a, b := l.vec(), l.vec()
		l.VMULPS(sign, sin, sin)
		l.VMULPS(sin, x2, a)
		l.VMULPS(sin, x1, b)
		l.VFMSUB231PS(cos, x1, a)
		l.VFMADD231PS(cos, x2, b)
		l.storeAcc(a, keep, "y")
		l.storeAcc(b, keep, "y2")
	})
	for _, s := range []string{"y", "x", "y2", "x2"} {
		l.ADDQ(size, l.slices[s])
	}
	l.SUBQ(half, left)
	l.SUBQ(half, left)
	l.JNZ(operand.LabelRef("head"))
	l.end()
}

// adamw is one step of AdamW; the scalars are prepared by the caller.
func (l *loopWriter) adamw() {
	l.function("adamw",
		"func(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32)",
		"w", "g", "m", "v")
	decay, rest1, beta2, rest2 := l.splat("decay"), l.splat("rest1"), l.splat("beta2"), l.splat("rest2")
	invRoot, eps, step := l.splat("invRoot"), l.splat("eps"), l.splat("step")
	l.each("w", 1, func() {
		w, g, m, v := l.load("w"), l.load("g"), l.load("m"), l.load("v")
		d := l.vec()
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
