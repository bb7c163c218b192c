package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The last vector of a tile may be a part of one.

// firstLanes makes the mask of the last of the columns' vectors.
func (t *tile) firstLanes(mask OpmaskVirtual) {
	bits := t.c.GP32()
	t.c.MOVQ(t.columns, RCX)
	t.c.DECQ(RCX)
	t.c.ANDQ(U8(15), RCX)
	t.c.MOVL(U32(2), bits)
	t.c.SHLL(CL, bits)
	t.c.DECL(bits)
	t.c.KMOVW(bits, mask)
}

// allLanes makes the mask of a whole vector.
func (t *tile) allLanes(mask OpmaskVirtual) { t.c.KXNORW(mask, mask, mask) }

// loadMask loads AVX2's mask of the last of the columns' vectors.
func (t *tile) loadMask() {
	table, rest, mask := t.c.GP64(), t.c.GP64(), t.c.YMM()
	t.c.LEAQ(t.masks, table)
	t.c.MOVQ(t.columns, rest)
	t.c.NEGQ(rest)
	t.c.ANDQ(U8(7), rest)
	t.c.VMOVUPS(Mem{Base: table, Index: rest, Scale: 4}, mask)
	t.mask = mask
}

// load, add and store move a vector, as far as it goes if it is the last one.

func (t *tile) load(from Mem, y Register, last bool) {
	switch {
	case !last || t.mask == nil:
		t.c.VMOVUPS(from, y)
	case t.evex:
		t.c.VMOVUPS_Z(from, t.mask, y)
	default:
		t.c.VMASKMOVPS(from, t.mask, y)
	}
}

func (t *tile) add(from Mem, y Register, last bool) {
	switch {
	case !last || t.mask == nil:
		t.c.VADDPS(from, y, y)
	case t.evex:
		t.c.VADDPS(from, y, t.mask, y)
	default:
		old := t.c.YMM()
		t.c.VMASKMOVPS(from, t.mask, old)
		t.c.VADDPS(old, y, y)
	}
}

func (t *tile) store(y Register, to Mem, last bool) {
	if last && t.mask != nil {
		t.c.VMOVUPS(y, t.mask, to)
	} else {
		t.c.VMOVUPS(y, to)
	}
}

// storeFirst stores the first of AVX2's lanes, as many as there are columns behind
// the last whole vector: 4, 2 and 1 of them, which on some machines takes a tenth of the time
// of a masked store.
func (t *tile) storeFirst(columns GPVirtual, y Register, to Mem, label string) {
	c := t.c
	x, next := c.XMM(), c.GP64()
	c.LEAQ(to, next)
	c.VMOVAPS(y.(VecVirtual).AsX(), x)
	part := func(n int, store, shift func()) {
		skip := fmt.Sprintf("%sno%d", label, n)
		c.TESTQ(U32(uint32(n)), columns)
		c.JZ(LabelRef(skip))
		store()
		if shift != nil {
			shift()
			c.ADDQ(U8(uint8(4*n)), next)
		}
		c.Label(skip)
	}
	part(4, func() { c.VMOVUPS(x, Mem{Base: next}) }, func() { c.VEXTRACTF128(U8(1), y, x) })
	part(2, func() { c.VMOVLPS(x, Mem{Base: next}) }, func() { c.VMOVHLPS(x, x, x) })
	part(1, func() { c.VMOVSS(x, Mem{Base: next}) }, nil)
}
