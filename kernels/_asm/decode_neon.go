package main

func init() {
	neonFiles["decode_arm64.s"] = func(n *neon) {
		l := &neonLoop{neon: n}
		l.decodeBF16()
		l.decodeF16()
		l.decodeInt8()
		l.decodeBlocks()
	}
}

// eachEight writes the loop over the elements of x, eight at a time and at least as many:
// body returns those of another slice, of 1<<shift bytes each there, as two vectors. The
// last eight end with the row, so they may overlap those before, which is right as what
// is read is not what is written.
func (l *neonLoop) eachEight(from string, shift int, body func(at gp) [2]vreg) {
	left := l.load("x", "_len")
	x, at := l.slices["x"], l.slices[from]
	l.op("SUB $8, %s", left)
	l.label("eight")
	before := l.vectors
	for i, v := range body(at) {
		l.op("FMOVQ %s, %d(%s)", v.f(), 16*i, x)
	}
	l.vectors = before
	l.op("ADD $32, %s", x)
	l.op("ADD $%d, %s", 8<<shift, at)
	l.op("SUBS $8, %s", left)
	l.op("BGE eight")
	l.op("CMN $8, %s", left)
	l.op("BEQ done")
	l.op("ADD %s<<2, %s", left, x) // back by what is missing
	l.op("ADD %s<<%d, %s", left, shift, at)
	l.op("MOVD $0, %s", left)
	l.op("B eight")
	l.label("done")
	l.end()
}

// decodeBF16 makes each the upper half of its lane.
func (l *neonLoop) decodeBF16() {
	l.function("decodeBF16NEON", "func(x []float32, b []uint16)", "x", "b")
	zero := l.vec()
	l.zero(zero)
	l.eachEight("b", 1, func(at gp) [2]vreg {
		b := l.vec()
		l.op("FMOVQ (%s), %s", at, b.f())
		return [2]vreg{l.zip(1, "H8", zero, b), l.zip(2, "H8", zero, b)}
	})
}

// decodeF16 follows the Go loop: FCVTL would make a signaling NaN quiet. The sign is
// extended on the way to its place and cut there.
func (l *neonLoop) decodeF16() {
	l.function("decodeF16NEON", "func(x []float32, b []uint16)", "x", "b")
	bits, rebias := l.splatBits(0x8fffe000), l.splatBits(0x77800000) // 2^(127-15)
	exponent, inf := l.splatBits(0x1f<<23), l.splatBits(0xff<<23)
	l.eachEight("b", 1, func(at gp) (x [2]vreg) {
		b, e := l.vec(), l.vec()
		l.op("FMOVQ (%s), %s", at, b.f())
		for half := range x {
			v := l.vec()
			l.sshll(v, b, 16, half, 13)
			l.and(v, v, bits)
			l.and(e, v, exponent)
			l.fmul(v, v, rebias)
			l.op("VCMEQ %s, %s, %s", exponent.s4(), e.s4(), e.s4())
			l.and(e, e, inf)
			l.op("VORR %s, %s, %s", e.b(), v.b(), v.b())
			x[half] = v
		}
		return x
	})
}

func (l *neonLoop) decodeInt8() {
	l.function("decodeInt8NEON", "func(x []float32, q []int8, scale float32)", "x", "q")
	scale := l.scalar("scale")
	l.eachEight("q", 0, func(at gp) (x [2]vreg) {
		q := l.vec()
		l.op("FMOVD (%s), %s", at, q.f())
		l.sshll(q, q, 8, 0, 0)
		for half := range x {
			v := l.vec()
			l.sshll(v, q, 16, half, 0)
			l.scvtf(v, v)
			l.fmulBy(v, v, scale)
			x[half] = v
		}
		return x
	})
}

// decodeBlocks looks each byte of 16 elements up among the 16 of the numbers, puts them
// together and multiplies by the absmax of the block of 64.
func (l *neonLoop) decodeBlocks() {
	l.function("decodeBlocksNEON", "func(x []float32, codes []byte, absmax, numbers []float32)", "x", "codes", "absmax", "numbers")
	left := l.load("absmax", "_len")
	planes, low, absmax := [4]vreg{l.vec(), l.vec(), l.vec(), l.vec()}, l.vec(), element{l.vec(), 0}
	l.op("VLD4 (%s), [%s, %s, %s, %s]", l.slices["numbers"], planes[0].b(), planes[1].b(), planes[2].b(), planes[3].b())
	l.op("VMOVI $15, %s", low.b())
	l.label("block")
	l.op("FMOVS.P 4(%s), %s", l.slices["absmax"], absmax.f())
	for range 2 {
		before := l.vectors
		codes, upper := l.vec(), l.vec()
		l.op("FMOVQ.P 16(%s), %s", l.slices["codes"], codes.f())
		l.op("VUSHR $4, %s, %s", codes.b(), upper.b()) // the first of two elements
		l.and(codes, codes, low)
		for half := range 2 {
			l.sixteen(l.zip(half+1, "B16", upper, codes), planes, absmax)
		}
		l.vectors = before
	}
	l.op("SUBS $1, %s", left)
	l.op("BNE block")
	l.end()
}

// sixteen writes the numbers of 16 codes, times a factor, to x.
func (l *neonLoop) sixteen(codes vreg, planes [4]vreg, factor element) {
	before := l.vectors
	var bytes [4]vreg
	for i, plane := range planes {
		bytes[i] = l.vec()
		l.op("VTBL %s, [%s], %s", codes.b(), plane.b(), bytes[i].b())
	}
	for half := range 2 {
		lower, upper := l.zip(half+1, "B16", bytes[0], bytes[1]), l.zip(half+1, "B16", bytes[2], bytes[3])
		for quarter := range 2 {
			v := l.zip(quarter+1, "H8", lower, upper)
			l.fmulBy(v, v, factor)
			l.op("FMOVQ.P %s, 16(%s)", v.f(), l.slices["x"])
		}
	}
	l.vectors = before
}
