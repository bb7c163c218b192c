package main

import (
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// longRow writes tiles of one row alone, of two vectors up to so many: its sums then are
// enough to hide each other's latency, and B, which the multiply-adds themselves read, goes
// by in longer runs. B's rows must lie whole, and there is one strip, of which nothing is to
// be fetched ahead; others go to the other tiles. The last two tiles share their vectors
// evenly, since one of few vectors takes as long.
func (t *tile) longRow(lanes, longest int, others string) {
	c := t.c
	c.Label("row")
	t.ifColumns(c.JLE, lanes, others)
	only := func(number Op, n uint8) {
		c.CMPQ(number, U8(n))
		c.JNE(LabelRef(others))
	}
	only(t.count, 1)
	only(Mem{Base: t.strips, Disp: stripBCol}, 1)
	only(Mem{Base: t.strips, Disp: stripAhead}, 0)
	n := c.GP64() // vectors
	c.LEAQ(Mem{Base: t.columns, Disp: lanes - 1}, n)
	for l := lanes; l > 1; l /= 2 {
		c.SHRQ(U8(1), n)
	}
	bodies := func(kind string) {
		c.Label(kind)
		t.search(n, 2, longest, kind, func(vectors int) { t.body(shape{lanes, vectors, 1}, kind, 1) })
	}
	c.CMPQ(n, U8(uint8(longest)))
	c.JG(LabelRef("rowoflonger"))
	if t.evex {
		t.firstLanes(t.mask.(OpmaskVirtual))
		c.JMP(LabelRef("rowof"))
	} else {
		c.TESTQ(U32(uint32(lanes-1)), t.columns)
		c.JZ(LabelRef("rowof"))
		t.loadMask()
		bodies("rowtail")
		t.mask = nil
	}
	c.Label("rowoflonger")
	if t.evex {
		t.allLanes(t.mask.(OpmaskVirtual))
	}
	half, most := c.GP64(), c.GP64()
	c.LEAQ(Mem{Base: n, Disp: 1}, half)
	c.SHRQ(U8(1), half)
	c.MOVQ(U32(uint32(longest)), most)
	c.CMPQ(n, U8(uint8(2*longest)))
	c.CMOVQLT(half, most)
	c.MOVQ(most, n)
	bodies("rowof")
}
