package main

// norms writes the loops that do for the norms in one pass what would be several.
func (l *neonLoop) norms() {
	l.moments()
	l.affine()
	l.normSums()
	l.normInput()
}

func (l *neonLoop) moments() {
	l.function("momentsNEON", "func(x []float32) (sum, squares float64)", "x")
	const unroll = 4
	sums, squares := l.sums(2*unroll), l.sums(2*unroll)
	l.each(unroll, func() {
		x, wide := l.read("x"), l.vec()
		for half := range 2 {
			i := 2*l.block + half
			l.widen(wide, x, half == 1)
			l.faddDoubles(sums[i], sums[i], wide)
			l.fmlaDoubles(squares[i], wide, wide)
		}
	})
	l.endWithSums(sums, squares)
}

func (l *neonLoop) affine() {
	l.function("affineNEON", "func(y, x, w, b []float32, shift, scale float32)", "y", "x", "w", "b")
	shift, scale := l.everywhere("shift"), l.scalar("scale")
	l.each(2, func() {
		x, w, b := l.read("x"), l.read("w"), l.read("b")
		l.fsub(x, x, shift)
		l.fmulBy(x, x, scale)
		l.fmla(b, x, w)
		l.write(b, "y")
	})
	l.end()
}

func (l *neonLoop) normSums() {
	l.function("normSumsNEON", "func(x, w, dy []float32, shift float32) (level, along float64)", "x", "w", "dy")
	const unroll = 2
	shift := l.everywhere("shift")
	l.widen(shift, shift, false)
	levels, alongs := l.sums(2*unroll), l.sums(2*unroll)
	l.each(unroll, func() {
		x, w, dy := l.read("x"), l.read("w"), l.read("dy")
		wideX, wideW, wideDy := l.vec(), l.vec(), l.vec()
		for half := range 2 {
			i := 2*l.block + half
			l.widen(wideX, x, half == 1)
			l.widen(wideW, w, half == 1)
			l.widen(wideDy, dy, half == 1)
			l.fsubDoubles(wideX, wideX, shift)
			l.fmulDoubles(wideDy, wideDy, wideW)
			l.faddDoubles(levels[i], levels[i], wideDy)
			l.fmlaDoubles(alongs[i], wideDy, wideX)
		}
	})
	l.endWithSums(levels, alongs)
}

// normInput adds direct·w·dy to what is taken away, which it computes with its sign.
func (l *neonLoop) normInput() {
	l.function("normInputNEON", "func(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool)", "dx", "x", "w", "dy")
	direct, shift, slope, level := l.scalar("direct"), l.everywhere("shift"), l.scalar("slope"), l.everywhere("level")
	keep := l.keep()
	l.each(2, func() {
		x, w, dy := l.read("x"), l.read("w"), l.read("dy")
		l.fsub(x, shift, x)
		l.fmulBy(x, x, slope)
		l.fsub(x, x, level)
		l.fmul(w, w, dy)
		l.fmlaBy(x, w, direct)
		l.writeAcc(x, keep, "dx")
	})
	l.end()
}
