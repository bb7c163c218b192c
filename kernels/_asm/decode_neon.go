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

// eachEight writes the loop over the elements of x and of another slice, whose own have
// so many bits: eight a turn, at least once. body returns them as two vectors. The last
// eight end with the row, so they may overlap those before, which is right as what is
// read is not what is written.
func (l *neonLoop) eachEight(from string, bits int, body func() [2]vreg) {
	left := l.load("x", "_len")
	l.op("SUB $8, %s", left)
	l.label("eight")
	before := l.vectors
	for i, v := range body() {
		l.op("FMOVQ %s, %d(%s)", v.f(), 16*i, l.slices["x"])
	}
	l.vectors = before
	l.op("ADD $32, %s", l.slices["x"])
	l.op("ADD $%d, %s", bits, l.slices[from])
	l.op("SUBS $8, %s", left)
	l.op("BGE eight")
	l.op("ADDS $8, %s, %s", left, l.gp())
	l.op("BEQ done")
	l.op("SUB $8, %s", left)
}
