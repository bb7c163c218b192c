package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func init() {
	generators["decode_avx2_amd64.s"] = func(c *build.Context) { decoders(c, "AVX2", 8) }
	generators["decode_avx512_amd64.s"] = func(c *build.Context) { decoders(c, "AVX512", 16) }
}

// decoders writes what makes float32 of the formats that weights are kept in. Rows
// are decoded a vector at a time; the last vector ends with the row, so it may
// overlap the one before, which is right as what is read is not what is written.
func decoders(c *build.Context, level string, lanes int) {
	l := &loopWriter{Context: c, home: c, level: level, lanes: lanes, constants: map[uint32]operand.Mem{}}
	l.decodeBF16()
	l.decodeF16()
	l.decodeInt8()
	l.decodeBlocks()
}

// eachVector writes the loop over the elements of x, at least one vector of them:
// body computes the vector of those at the index.
func (l *loopWriter) eachVector(body func() vector) {
	last := l.GP64()
	l.Load(l.Param("x").Len(), last)
	l.SUBQ(operand.U8(l.lanes), last)
	l.index = l.GP64()
	l.XORQ(l.index, l.index)
	l.JMP(operand.LabelRef("whole"))
	l.Label("vector")
	l.VMOVUPS(body(), l.element("x", 4))
	l.ADDQ(operand.U8(l.lanes), l.index)
	l.Label("whole")
	l.CMPQ(l.index, last)
	l.JLT(operand.LabelRef("vector"))
	l.MOVQ(last, l.index)
	l.VMOVUPS(body(), l.element("x", 4))
	l.end()
}

// element is the place of the element at the index in a slice of so many bytes each.
func (l *loopWriter) element(slice string, bytes uint8) operand.Mem {
	return operand.Mem{Base: l.slices[slice], Index: l.index, Scale: bytes}
}

// kept is a vector of one 32-bit pattern in a register.
func (l *loopWriter) kept(bits uint32) vector {
	v := l.vec()
	l.VMOVUPS(l.bits(bits), v)
	return v
}

// decodeBF16 makes each the upper half of its lane.
func (l *loopWriter) decodeBF16() {
	l.function("decodeBF16", "func(x []float32, b []uint16)", "x", "b")
	l.eachVector(func() vector {
		v := l.vec()
		l.VPMOVZXWD(l.element("b", 2), v)
		l.VPSLLD(operand.U8(16), v, v)
		return v
	})
}

// decodeF16 follows the Go loop: VCVTPH2PS would make a signaling NaN quiet. The
// sign is extended on the way to its place and cut there.
func (l *loopWriter) decodeF16() {
	l.function("decodeF16", "func(x []float32, b []uint16)", "x", "b")
	bits, rebias := l.kept(0x8fffe000), l.kept(0x77800000) // 2^(127-15)
	exponent, inf := l.kept(0x1f<<23), l.kept(0xff<<23)
	l.eachVector(func() vector {
		v, e := l.vec(), l.vec()
		l.VPMOVSXWD(l.element("b", 2), v)
		l.VPSLLD(operand.U8(13), v, v)
		l.and(bits, v, v)
		l.and(exponent, v, e)
		l.VMULPS(rebias, v, v)
		if l.wide() {
			k := l.K()
			l.VPCMPEQD(exponent, e, k)
			l.VPORD(inf, v, k, v)
		} else {
			l.VPCMPEQD(exponent, e, e)
			l.VPAND(inf, e, e)
			l.VPOR(e, v, v)
		}
		return v
	})
}

// and is d = a & b.
func (l *loopWriter) and(a, b, d vector) {
	if l.wide() {
		l.VPANDD(a, b, d)
	} else {
		l.VPAND(a, b, d)
	}
}

func (l *loopWriter) decodeInt8() {
	l.function("decodeInt8", "func(x []float32, q []int8, scale float32)", "x", "q")
	scale := l.splat("scale")
	l.eachVector(func() vector {
		v := l.vec()
		l.VPMOVSXBD(l.element("q", 1), v)
		l.VCVTDQ2PS(v, v)
		l.VMULPS(scale, v, v)
		return v
	})
}

// decodeBlocks multiplies the 16 numbers by the absmax of a block and looks its 64
// elements up among the products, which are two registers of eight at both levels: a
// look-up takes the lower four bits of a lane, or three of either half of the table.
func (l *loopWriter) decodeBlocks() {
	shifts := l.global("nibbles")
	for i := range 8 {
		l.home.AddDatum(4*i, operand.U32(8*(i/2)+4*(1-i%2))) // the upper half of a byte first
	}
	l.function("decodeBlocks", "func(x []float32, codes []byte, absmax, numbers []float32)", "x", "codes", "absmax", "numbers")
	left := l.GP64()
	l.Load(l.Param("absmax").Len(), left)
	shift, low, high := l.YMM(), l.YMM(), l.YMM()
	l.VMOVDQU(shifts, shift)
	numbers := l.slices["numbers"]
	l.VMOVUPS(operand.Mem{Base: numbers}, low)
	l.VMOVUPS(operand.Mem{Base: numbers, Disp: 32}, high)

	l.Label("block")
	absmax, table := l.YMM(), [2]reg.VecVirtual{l.YMM(), l.YMM()}
	l.VBROADCASTSS(operand.Mem{Base: l.slices["absmax"]}, absmax)
	l.VMULPS(absmax, low, table[0])
	l.VMULPS(absmax, high, table[1])
	for i := range 8 {
		v := l.YMM()
		l.VPBROADCASTD(operand.Mem{Base: l.slices["codes"], Disp: 4 * i}, v)
		l.VPSRLVD(shift, v, v)
		if l.wide() {
			l.VPERMI2PS(table[1], table[0], v)
		} else {
			lower, upper := l.YMM(), l.YMM()
			l.VPERMPS(table[0], v, lower)
			l.VPERMPS(table[1], v, upper)
			l.VPSLLD(operand.U8(28), v, v)
			l.VBLENDVPS(v, upper, lower, v)
		}
		l.VMOVUPS(v, operand.Mem{Base: l.slices["x"], Disp: 32 * i})
	}
	l.ADDQ(operand.U8(4), l.slices["absmax"])
	l.ADDQ(operand.U8(32), l.slices["codes"])
	l.ADDQ(operand.U32(256), l.slices["x"])
	l.DECQ(left)
	l.JNZ(operand.LabelRef("block"))
	l.end()
}
