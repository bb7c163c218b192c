package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// What AVX2 and AVX-512 say in different words.

// wide says that the level is AVX-512.
func (l *loopWriter) wide() bool { return l.lanes == 16 }

// vector is a fresh vector.
func (l *loopWriter) vec() vector {
	if l.wide() {
		return l.ZMM()
	}
	return l.YMM()
}

// zeros is a fresh vector of zeros.
func (l *loopWriter) zeros() vector {
	v := l.vec()
	l.VXORPS(v, v, v)
	return v
}

// half is the lower or the upper half of v.
func (l *loopWriter) half(v vector, upper int) reg.Register {
	switch {
	case upper == 0 && l.wide():
		return v.AsY()
	case upper == 0:
		return v.AsX()
	}
	h := l.vec()
	if l.wide() {
		l.VEXTRACTF64X4(operand.U8(1), v, h.AsY())
		return h.AsY()
	}
	l.VEXTRACTF128(operand.U8(1), v, h.AsX())
	return h.AsX()
}

// round is x rounded to the nearest integer.
func (l *loopWriter) round(x vector) vector {
	n := l.vec()
	if l.wide() {
		l.VRNDSCALEPS(operand.U8(8), x, n)
	} else {
		l.VROUNDPS(operand.U8(8), x, n)
	}
	return n
}

// times2To is p·2^n, rounded once, for integers n down to where that is 0 and up
// to where it is +Inf. AVX2 multiplies by two factors.
func (l *loopWriter) times2To(p, n vector) vector {
	v := l.vec()
	if l.wide() {
		l.VSCALEFPS(n, p, v)
		return v
	}
	k, m := l.vec(), l.vec()
	l.VCVTPS2DQ(n, m)
	l.VPSRAD(operand.U8(1), m, k)
	l.VPSUBD(k, m, m)
	for _, e := range []vector{k, m} {
		l.VPADDD(l.bits(127), e, e)
		l.VPSLLD(operand.U8(23), e, e)
	}
	l.VMULPS(k, p, v)
	l.VMULPS(m, v, v)
	return v
}

// whereNegative is yes in the lanes where the sign of x is set, else no.
func (l *loopWriter) whereNegative(x, yes, no vector) vector {
	v := l.vec()
	if l.wide() {
		k := l.K()
		l.VPMOVD2M(x, k)
		l.VBLENDMPS(yes, no, k, v)
	} else {
		l.VBLENDVPS(x, yes, no, v)
	}
	return v
}

// Predicates of where.
const (
	lessOrEqual = 2
	notLess     = 5 // or not a number
)

// where is yes in the lanes where a compares with b, else no.
func (l *loopWriter) where(a vector, predicate uint8, b operand.Op, yes, no vector) vector {
	v := l.vec()
	if l.wide() {
		k := l.K()
		l.VCMPPS(operand.U8(predicate), b, a, k)
		l.VBLENDMPS(yes, no, k, v)
	} else {
		l.VCMPPS(operand.U8(predicate), b, a, v)
		l.VBLENDVPS(v, yes, no, v)
	}
	return v
}

// inside is v in the lanes that count, else a constant.
func (l *loopWriter) inside(v vector, otherwise float64) vector {
	if !l.tail {
		return v
	}
	other, w := l.constant(otherwise), l.vec()
	if l.wide() {
		l.VBLENDMPS(v, other, l.opmask, w)
	} else {
		l.VBLENDVPS(l.mask, v, other, w)
	}
	return w
}

// widen reads half the lanes of a slice as float64.
func (l *loopWriter) widen(slice string, upper int) vector {
	v, m := l.vec(), l.at(slice)
	m.Disp += 2 * l.lanes * upper
	switch {
	case !l.tail:
		l.VCVTPS2PD(m, v)
	case l.wide():
		k := l.opmask
		if upper == 1 {
			k = l.K()
			l.KSHIFTRW(operand.U8(8), l.opmask, k)
		}
		l.VCVTPS2PD_Z(m, k, v)
	default:
		l.VMASKMOVPS(m, l.half(l.mask, upper), v.AsX())
		l.VCVTPS2PD(v.AsX(), v)
	}
	return v
}

// doubles is a fresh pair of sums of float64, half a vector's lanes each.
func (l *loopWriter) doubles() [2]vector { return [2]vector{l.zeros(), l.zeros()} }

// addDoubles widens v and adds it to sums.
func (l *loopWriter) addDoubles(v vector, sums [2]vector) {
	for i, sum := range sums {
		d := l.vec()
		l.VCVTPS2PD(l.half(v, i), d)
		l.VADDPD(d, sum, sum)
	}
}

// total adds the lanes of all sums pairwise, into the first lane.
func (l *loopWriter) total(sums ...vector) vector {
	for ; len(sums) > 1; sums = sums[:len(sums)/2] {
		for i := range len(sums) / 2 {
			l.VADDPD(sums[i+len(sums)/2], sums[i], sums[i])
		}
	}
	s, t := sums[0], l.vec()
	if l.wide() {
		l.VADDPD(l.half(s, 1), s.AsY(), s.AsY())
	}
	l.VEXTRACTF128(operand.U8(1), s.AsY(), t.AsX())
	l.VADDPD(t.AsX(), s.AsX(), s.AsX())
	l.VUNPCKHPD(s.AsX(), s.AsX(), t.AsX())
	l.VADDSD(t.AsX(), s.AsX(), s.AsX())
	return s
}

// returnTotals ends a loop that returns the totals.
func (l *loopWriter) returnTotals(totals ...vector) {
	for i, s := range totals {
		l.Store(s.AsX(), l.ReturnIndex(i))
	}
	l.VZEROUPPER()
	l.RET()
}
