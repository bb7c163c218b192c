package main

import (
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// longRow writes tiles of one row alone that are longer than the wide ones, of up to so
// many vectors: its sums then are enough to hide each other's latency, and B, which the
// multiply-adds themselves read, goes by in longer runs. B's rows must lie whole, and
// there is one strip; others go to the wide tiles. The last two tiles share their vectors
// evenly, since one of few vectors takes as long.
func (t *tile) longRow(wide shape, longest int, tiles string) {
	c := t.c
	c.Label("row")
	t.ifColumns(c.JE, wide.lanes*wide.vectors, tiles)
	for _, number := range []Op{t.count, Mem{Base: t.strips, Disp: stripBCol}} {
		c.CMPQ(number, U8(1))
		c.JNE(LabelRef(tiles))
	}
	n := c.GP64() // vectors
	c.LEAQ(Mem{Base: t.columns, Disp: wide.lanes - 1}, n)
	for lanes := wide.lanes; lanes > 1; lanes /= 2 {
		c.SHRQ(U8(1), n)
	}
	bodies := func(kind string) {
		c.Label(kind)
		t.search(n, wide.vectors+1, longest, kind, func(vectors int) { t.body(shape{wide.lanes, vectors, 1}, kind, 1) })
	}
	c.CMPQ(n, U8(uint8(longest)))
	c.JG(LabelRef("rowoflonger"))
	if t.evex {
		t.firstLanes(t.mask.(OpmaskVirtual))
		c.JMP(LabelRef("rowof"))
	} else {
		c.TESTQ(U32(uint32(wide.lanes-1)), t.columns)
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
