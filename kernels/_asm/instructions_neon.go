package main

import "fmt"

// word writes an instruction that Go's assembler does not know, with what it is.
func (n *neon) word(code uint32, format string, args ...any) {
	n.op("WORD $0x%08x // %s", code, fmt.Sprintf(format, args...))
}

// three writes d = a ∘ b, two d = ∘ a, for an instruction on four float32 lanes.
func (n *neon) three(code uint32, name string, d, a, b vreg) {
	n.word(code|uint32(b)<<16|uint32(a)<<5|uint32(d), "%s V%d.4S, V%d.4S, V%d.4S", name, d, a, b)
}

func (n *neon) two(code uint32, name string, d, a vreg) {
	n.word(code|uint32(a)<<5|uint32(d), "%s V%d.4S, V%d.4S", name, d, a)
}

func (n *neon) fadd(d, a, b vreg)  { n.three(0x4e20d400, "FADD", d, a, b) }
func (n *neon) fsub(d, a, b vreg)  { n.three(0x4ea0d400, "FSUB", d, a, b) }
func (n *neon) fmul(d, a, b vreg)  { n.three(0x6e20dc00, "FMUL", d, a, b) }
func (n *neon) fdiv(d, a, b vreg)  { n.three(0x6e20fc00, "FDIV", d, a, b) }
func (n *neon) fmax(d, a, b vreg)  { n.three(0x4e20f400, "FMAX", d, a, b) }
func (n *neon) fmin(d, a, b vreg)  { n.three(0x4ea0f400, "FMIN", d, a, b) }
func (n *neon) fcmgt(d, a, b vreg) { n.three(0x6ea0e400, "FCMGT", d, a, b) }
func (n *neon) fcmge(d, a, b vreg) { n.three(0x6e20e400, "FCMGE", d, a, b) }
func (n *neon) cmge(d, a, b vreg)  { n.three(0x4ea03c00, "CMGE", d, a, b) } // of int32
func (n *neon) fabs(d, a vreg)     { n.two(0x4ea0f800, "FABS", d, a) }
func (n *neon) fneg(d, a vreg)     { n.two(0x6ea0f800, "FNEG", d, a) }
func (n *neon) fsqrt(d, a vreg)    { n.two(0x6ea1f800, "FSQRT", d, a) }
func (n *neon) frintn(d, a vreg)   { n.two(0x4e218800, "FRINTN", d, a) } // to the nearest, as float
func (n *neon) scvtf(d, a vreg)    { n.two(0x4e21d800, "SCVTF", d, a) }  // from int32
func (n *neon) fcvtzs(d, a vreg)   { n.two(0x4ea1b800, "FCVTZS", d, a) } // to int32

// sshr is d = a >> shift of int32 lanes.
func (n *neon) sshr(d, a vreg, shift int) {
	n.word(0x4f000400|uint32(64-shift)<<16|uint32(a)<<5|uint32(d), "SSHR V%d.4S, V%d.4S, #%d", d, a, shift)
}

// sshll is d = a << shift of the lower or upper half of a's lanes, of so many bits,
// extended to twice as many.
func (n *neon) sshll(d, a vreg, bits, half, shift int) {
	lanes, second := 64/bits, ""
	if half == 1 {
		second = "2"
	}
	letter := map[int]string{8: "B", 16: "H", 32: "S"}
	text := fmt.Sprintf("L%s V%d.%d%s, V%d.%d%s", second, d, lanes, letter[2*bits], a, lanes<<half, letter[bits])
	if shift == 0 {
		text = "SXT" + text
	} else {
		text = fmt.Sprintf("SSHL%s, #%d", text, shift)
	}
	n.word(0x0f00a400|uint32(half)<<30|uint32(bits+shift)<<16|uint32(a)<<5|uint32(d), "%s", text)
}

// zip is a new register of the lower (1) or upper (2) halves of a and b, a lane of each
// in turn.
func (n *neon) zip(half int, lanes string, a, b vreg) vreg {
	d := n.vec()
	n.op("VZIP%d V%d.%s, V%d.%s, V%d.%s", half, int(b), lanes, int(a), lanes, int(d), lanes)
	return d
}

// uzp is a new register of the even (1) or odd (2) lanes of a and then of b.
func (n *neon) uzp(half int, a, b vreg) vreg {
	d := n.vec()
	n.op("VUZP%d %s, %s, %s", half, b.s4(), a.s4(), d.s4())
	return d
}

// umull is d = a·b of the lower or upper two lanes, unsigned, in 64 bits.
func (n *neon) umull(d, a, b vreg, half int) {
	code := 0x2ea0c000 | uint32(half)<<30 | uint32(b)<<16 | uint32(a)<<5 | uint32(d)
	n.word(code, "UMULL%s V%d.2D, V%d.%dS, V%d.%dS", []string{"", "2"}[half], d, a, 2<<half, b, 2<<half)
}

// fmla is d += a·b and fmls d -= a·b, fused.
func (n *neon) fmla(d, a, b vreg) { n.op("VFMLA %s, %s, %s", b.s4(), a.s4(), d.s4()) }
func (n *neon) fmls(d, a, b vreg) { n.op("VFMLS %s, %s, %s", b.s4(), a.s4(), d.s4()) }

// byElement writes d ∘ a·e for one lane of e.
func (n *neon) byElement(code uint32, name string, d, a vreg, e element) {
	l, h := uint32(e.lane&1), uint32(e.lane>>1)
	n.word(code|l<<21|uint32(e.vreg)<<16|h<<11|uint32(a)<<5|uint32(d),
		"%s V%d.4S, V%d.4S, V%d.S[%d]", name, d, a, e.vreg, e.lane)
}

func (n *neon) fmulBy(d, a vreg, e element) { n.byElement(0x4f809000, "FMUL", d, a, e) }
func (n *neon) fmlaBy(d, a vreg, e element) { n.byElement(0x4f801000, "FMLA", d, a, e) }
func (n *neon) fmlsBy(d, a vreg, e element) { n.byElement(0x4f805000, "FMLS", d, a, e) }

// widen is d = float64 of the low or high two lanes of a.
func (n *neon) widen(d, a vreg, high bool) {
	if high {
		n.word(0x4e617800|uint32(a)<<5|uint32(d), "FCVTL2 V%d.2D, V%d.4S", d, a)
		return
	}
	n.word(0x0e617800|uint32(a)<<5|uint32(d), "FCVTL V%d.2D, V%d.2S", d, a)
}

// doubles writes d = a ∘ b on two float64 lanes.
func (n *neon) doubles(code uint32, name string, d, a, b vreg) {
	n.word(code|uint32(b)<<16|uint32(a)<<5|uint32(d), "%s V%d.2D, V%d.2D, V%d.2D", name, d, a, b)
}

func (n *neon) faddDoubles(d, a, b vreg) { n.doubles(0x4e60d400, "FADD", d, a, b) }
func (n *neon) fsubDoubles(d, a, b vreg) { n.doubles(0x4ee0d400, "FSUB", d, a, b) }
func (n *neon) fmulDoubles(d, a, b vreg) { n.doubles(0x6e60dc00, "FMUL", d, a, b) }
func (n *neon) fmlaDoubles(d, a, b vreg) { n.op("VFMLA %s, %s, %s", b.d2(), a.d2(), d.d2()) }

func (n *neon) zero(d vreg)           { n.op("VMOVI $0, %s", d.b()) }
func (n *neon) move(d, a vreg)        { n.op("VMOV %s, %s", a.b(), d.b()) }
func (n *neon) dup(d vreg, e element) { n.op("VDUP V%d.S[%d], %s", int(e.vreg), e.lane, d.s4()) }
func (n *neon) and(d, a, b vreg)      { n.op("VAND %s, %s, %s", b.b(), a.b(), d.b()) }

func (n *neon) xor(d, a, b vreg) { n.op("VEOR %s, %s, %s", b.b(), a.b(), d.b()) }

// choose is d = a where the mask has ones.
func (n *neon) choose(d, a, mask vreg) { n.op("VBIT %s, %s, %s", mask.b(), a.b(), d.b()) }
