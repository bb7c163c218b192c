package main

// rows writes the loops over many short rows: a call for each would cost more than what
// is done in it.
func (l *neonLoop) rows() {
	l.scaleRows()
	l.rotateHeads()
}

// bytes is an int argument or the length of a slice, in bytes of float32.
func (l *neonLoop) bytes(name, part string) gp {
	r := l.load(name, part)
	l.op("LSL $2, %s", r)
	return r
}

func (l *neonLoop) scaleRows() {
	l.function("scaleRowsNEON", "func(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int)", "y", "x")
	next, step, rows := l.load("factors", "_base"), l.bytes("step", ""), l.load("rows", "")
	// From the end of a row to the next one.
	columns, gapY, gapX := l.bytes("y", "_len"), l.bytes("ldy", ""), l.bytes("ldx", "")
	l.op("SUB %s, %s", columns, gapY)
	l.op("SUB %s, %s", columns, gapX)
	factor := element{l.vec(), 0}
	l.label("row")
	l.op("FMOVS (%s), %s", next, factor.f())
	l.each(4, func() {
		x := l.read("x")
		l.fmulBy(x, x, factor)
		l.write(x, "y")
	})
	l.op("ADD %s, %s", gapY, l.slices["y"])
	l.op("ADD %s, %s", gapX, l.slices["x"])
	l.op("ADD %s, %s", step, next)
	l.op("SUBS $1, %s", rows)
	l.op("BNE row")
	l.end()
}

// rotateHeads is the plane rotation of the pairs (x_i, x2_i) of each head of a row, of
// as many elements as there are cosines and sines; sign -1 turns back.
func (l *neonLoop) rotateHeads() {
	l.function("rotateHeadsNEON", "func(y, x, cos, sin []float32, sign float32, acc bool)", "cos", "sin", "y", "x")
	sign, keep := l.scalar("sign"), l.keep()
	half, left := l.bytes("cos", "_len"), l.bytes("y", "_len")
	for _, s := range []string{"y", "x"} {
		second := l.gp()
		l.op("ADD %s, %s, %s", half, l.slices[s], second)
		l.slices[s+"2"] = second
		l.names = append(l.names, s+"2")
	}
	l.label("head")
	l.each(1, func() {
		x1, x2, cos, sin := l.read("x"), l.read("x2"), l.read("cos"), l.read("sin")
		l.fmulBy(sin, sin, sign)
		a, b := l.vec(), l.vec()
		l.fmul(a, x1, cos)
		l.fmls(a, x2, sin)
		l.fmul(b, x2, cos)
		l.fmla(b, x1, sin)
		l.writeAcc(a, keep, "y")
		l.writeAcc(b, keep, "y2")
	})
	for _, s := range []string{"cos", "sin"} {
		l.op("SUB %s, %s", half, l.slices[s])
	}
	for _, s := range []string{"y", "x", "y2", "x2"} {
		l.op("ADD %s, %s", half, l.slices[s])
	}
	l.op("SUBS %s<<1, %s", half, left)
	l.op("BNE head")
	l.end()
}
