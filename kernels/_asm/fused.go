package main

import "math"

// fused writes the loops that do for the norms and softmax in one pass what would be
// several.
func (l *loopWriter) fused() {
	l.expSum()
	l.moments()
	l.affine()
	l.normSums()
	l.normInput()
	l.softmaxInput()
}

func (l *loopWriter) expSum() {
	l.function("expSum", "func(y, x []float32, shift float32) float64", "y", "x")
	l.ahead = []string{"y"}
	shift, c := l.splat("shift"), l.power2(-127*math.Ln2)
	sums := l.doubles()
	l.eachSummed("x", func() []vector {
		x := l.load("x")
		l.VSUBPS(shift, x, x)
		e := l.expShort(c, x)
		l.store(e, "y")
		return []vector{e}
	}, sums)
	l.returnTotals(l.total(sums[0], sums[1]))
}

func (l *loopWriter) moments() {
	l.function("moments", "func(x []float32) (sum, squares float64)", "x")
	l.ahead = []string{"x"}
	sums := [][2]vector{l.doubles(), l.doubles()}
	squares := [][2]vector{l.doubles(), l.doubles()}
	l.each("x", 2, func() {
		for upper := range 2 {
			x := l.widen("x", upper)
			sum, square := sums[l.block][upper], squares[l.block][upper]
			l.VADDPD(x, sum, sum)
			l.VFMADD231PD(x, x, square)
		}
	})
	l.returnTotals(l.total(sums[0][0], sums[0][1], sums[1][0], sums[1][1]),
		l.total(squares[0][0], squares[0][1], squares[1][0], squares[1][1]))
}

func (l *loopWriter) affine() {
	l.function("affine", "func(y, x, w, b []float32, shift, scale float32)", "y", "x", "w", "b")
	l.ahead = []string{"y"}
	shift, scale := l.splat("shift"), l.splat("scale")
	l.each("y", 2, func() {
		x, w, b := l.load("x"), l.load("w"), l.load("b")
		l.VSUBPS(shift, x, x)
		l.VMULPS(scale, x, x)
		l.VFMADD231PS(w, x, b)
		l.store(b, "y")
	})
	l.end()
}

func (l *loopWriter) normSums() {
	l.function("normSums", "func(x, w, dy []float32, shift float32) (level, along float64)", "x", "w", "dy")
	l.ahead = []string{"x", "dy"}
	shift := l.splat("shift")
	level, along := l.doubles(), l.doubles()
	l.eachSummed("x", func() []vector {
		x, w, dy := l.load("x"), l.load("w"), l.load("dy")
		l.VSUBPS(shift, x, x)
		l.VMULPS(w, dy, dy)
		l.VMULPS(dy, x, x)
		return []vector{dy, x}
	}, level, along)
	l.returnTotals(l.total(level[0], level[1]), l.total(along[0], along[1]))
}

func (l *loopWriter) normInput() {
	l.function("normInput", "func(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool)", "dx", "x", "w", "dy")
	l.ahead = []string{"dx"}
	direct, shift, slope, level := l.splat("direct"), l.splat("shift"), l.splat("slope"), l.splat("level")
	keep := l.keep("acc")
	l.each("dx", 2, func() {
		x, w, dy := l.load("x"), l.load("w"), l.load("dy")
		l.VSUBPS(shift, x, x)
		l.VMULPS(slope, x, x)
		l.VADDPS(level, x, x)
		l.VMULPS(dy, w, w)
		l.VFMSUB231PS(w, direct, x)
		l.storeAcc(x, keep, "dx")
	})
	l.end()
}

func (l *loopWriter) softmaxInput() {
	l.function("softmaxInput", "func(dx, y, dy []float32, mean float32, acc bool)", "dx", "y", "dy")
	mean, keep := l.splat("mean"), l.keep("acc")
	l.each("dx", 2, func() {
		y, dy := l.load("y"), l.load("dy")
		l.VSUBPS(mean, dy, dy)
		l.VMULPS(y, dy, dy)
		l.storeAcc(dy, keep, "dx")
	})
	l.end()
}
