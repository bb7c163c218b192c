package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func init() { generators["loops_amd64.s"] = loops }

// loops writes loops_amd64.s: the element- and row-wise loops in AVX2 and FMA.
// Each walks its slices eight lanes at a time; the last len mod 8 elements go
// through the same instructions under a mask, so no lane is ever computed by
// other code and nothing outside the slices is touched.
func loops(c *build.Context) {
	l := &loopWriter{Context: c, constants: map[uint32]operand.Mem{}}
	l.tailMasks()

	l.reduceSum("dotAVX2", "x", "y")
	l.reduceSum("dot3AVX2", "x", "y", "z")
	l.reduceSum("sumAVX2", "x")
	l.maximum()

	l.axpy()
	l.scale()
	l.shiftScale()
	l.add()
	l.mul()
	l.mulAdd()

	l.expShift()
	l.siluMul()
	l.siluMulGrad()
	l.gelu()
	l.geluGrad()
	l.geluTanh()
	l.geluTanhGrad()
	l.rotate()
	l.adamw()
}

type vec = reg.VecVirtual

// loopWriter holds what one loop body needs: the slices' pointers, the place in
// them, and the mask while the tail is written.
type loopWriter struct {
	*build.Context
	constants map[uint32]operand.Mem // eight equal lanes, by their bits
	masks     operand.Mem

	slices map[string]reg.GPVirtual
	index  reg.GPVirtual
	block  int // which group of eight of an unrolled body
	mask   vec // nil outside the tail
}

// tailMasks is eight lanes of ones before eight of zeros: read from lane 8-r on,
// it selects the first r lanes.
func (l *loopWriter) tailMasks() {
	l.masks = l.global("tailMasks")
	for i := 0; i < 16; i++ {
		v := operand.U32(0)
		if i < 8 {
			v = operand.U32(math.MaxUint32)
		}
		l.AddDatum(4*i, v)
	}
}

// global starts a read-only table.
func (l *loopWriter) global(name string) operand.Mem {
	m := l.StaticGlobal(name)
	l.DataAttributes(attr.RODATA | attr.NOPTR)
	return m
}

// bits is eight lanes of one 32-bit pattern, as a memory operand.
func (l *loopWriter) bits(b uint32) operand.Mem {
	if m, ok := l.constants[b]; ok {
		return m
	}
	m := l.global(fmt.Sprintf("lanes%08x", b))
	for i := 0; i < 8; i++ {
		l.AddDatum(4*i, operand.U32(b))
	}
	l.constants[b] = m
	return m
}

func (l *loopWriter) float(v float64) operand.Mem { return l.bits(math.Float32bits(float32(v))) }

// splat is a scalar argument in all lanes.
func (l *loopWriter) splat(param string) vec {
	v := l.YMM()
	a, err := l.Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	l.VBROADCASTSS(a.Addr, v)
	return v
}

// keep is all ones when the bool argument is true, else zeros: an old value
// under it is added to, or overwritten.
func (l *loopWriter) keep(param string) vec {
	flag, v := l.GP32(), l.YMM()
	a, err := l.Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	l.MOVBLZX(a.Addr, flag)
	l.NEGL(flag)
	l.VMOVD(flag, v.AsX())
	l.VPBROADCASTD(v.AsX(), v)
	return v
}

func (l *loopWriter) at(slice string) operand.Mem {
	return operand.Mem{Base: l.slices[slice], Index: l.index, Scale: 4, Disp: 32 * l.block}
}

// load reads eight lanes of a slice; lanes beyond its end are 0.
func (l *loopWriter) load(slice string) vec {
	v := l.YMM()
	if l.mask == nil {
		l.VMOVUPS(l.at(slice), v)
	} else {
		l.VMASKMOVPS(l.at(slice), l.mask, v)
	}
	return v
}

func (l *loopWriter) store(v vec, slice string) {
	if l.mask == nil {
		l.VMOVUPS(v, l.at(slice))
	} else {
		l.VMASKMOVPS(v, l.mask, l.at(slice))
	}
}

// storeAcc writes v, or adds it where keep has ones.
func (l *loopWriter) storeAcc(v, keep vec, slice string) {
	old, sum := l.load(slice), l.YMM()
	l.VANDPS(keep, old, old)
	l.VADDPS(old, v, sum)
	l.store(sum, slice)
}

// function starts a loop: scalar arguments are read by the caller afterwards.
func (l *loopWriter) function(name, signature string, slices ...string) {
	l.Function(name)
	l.Attributes(attr.NOSPLIT)
	l.SignatureExpr(signature)
	l.slices = map[string]reg.GPVirtual{}
	for _, s := range slices {
		l.slices[s] = l.GP64()
		l.Load(l.Param(s).Base(), l.slices[s])
	}
}

// each writes the loop: unroll groups of eight a turn, then single ones, then
// the tail. length names the slice whose length counts.
func (l *loopWriter) each(length string, unroll int, body func()) {
	n := l.GP64()
	l.Load(l.Param(length).Len(), n)
	l.index = l.GP64()
	l.XORQ(l.index, l.index)
	turn := func(label string, blocks int) {
		next := l.GP64()
		l.Label(label)
		l.LEAQ(operand.Mem{Base: l.index, Disp: 8 * blocks}, next)
		l.CMPQ(next, n)
		l.JGT(operand.LabelRef(label + "End"))
		for l.block = 0; l.block < blocks; l.block++ {
			body()
		}
		l.block = 0
		l.MOVQ(next, l.index)
		l.JMP(operand.LabelRef(label))
		l.Label(label + "End")
	}
	if unroll > 1 {
		turn("many", unroll)
	}
	turn("eight", 1)
	l.SUBQ(l.index, n)
	l.JE(operand.LabelRef("done"))
	table := l.GP64()
	l.LEAQ(l.masks, table)
	l.NEGQ(n)
	l.mask = l.YMM()
	l.VMOVUPS(operand.Mem{Base: table, Index: n, Scale: 4, Disp: 32}, l.mask)
	body()
	l.mask = nil
	l.Label("done")
}

func (l *loopWriter) end() {
	l.VZEROUPPER()
	l.RET()
}

// zeros is a fresh register of zeros.
func (l *loopWriter) zeros() vec {
	v := l.YMM()
	l.VXORPS(v, v, v)
	return v
}

// addDoubles widens the eight lanes of v and adds them to two accumulators of
// four float64 each.
func (l *loopWriter) addDoubles(v vec, low, high vec) {
	a, b := l.YMM(), l.YMM()
	l.VCVTPS2PD(v.AsX(), a)
	l.VEXTRACTF128(operand.U8(1), v, b.AsX())
	l.VCVTPS2PD(b.AsX(), b)
	l.VADDPD(a, low, low)
	l.VADDPD(b, high, high)
}

// returnDoubles adds the accumulators pairwise and returns the one sum.
func (l *loopWriter) returnDoubles(acc ...vec) {
	for ; len(acc) > 1; acc = acc[:len(acc)/2] {
		for i := range len(acc) / 2 {
			l.VADDPD(acc[i+len(acc)/2], acc[i], acc[i])
		}
	}
	s, t := acc[0], l.YMM()
	l.VEXTRACTF128(operand.U8(1), s, t.AsX())
	l.VADDPD(t.AsX(), s.AsX(), s.AsX())
	l.VUNPCKHPD(s.AsX(), s.AsX(), t.AsX())
	l.VADDSD(t.AsX(), s.AsX(), s.AsX())
	l.VZEROUPPER()
	l.Store(s.AsX(), l.ReturnIndex(0))
	l.RET()
}
