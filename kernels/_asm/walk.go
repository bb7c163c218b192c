package main

import (
	. "github.com/mmcloughlin/avo/operand"
)

// From tile to tile: rows of tiles one below the other, and in each of them columns
// from left to right.

// begin starts with the first tile. Tiles below those before are as high as there are
// rows left, or half of them, or most.
func (t *tile) begin() {
	c := t.c
	c.MOVQ(U32(0), t.above)
	c.Label("rows")
	height := c.Load(c.Param("rows"), c.GP64())
	most := c.Load(c.Param("most"), c.GP64())
	c.CMPQ(height, most)
	c.JLE(LabelRef("last"))
	c.INCQ(height)
	c.SHRQ(U8(1), height)
	c.CMPQ(height, most)
	c.CMOVQGT(most, height)
	c.Label("last")
	c.MOVQ(height, t.height)
	c.MOVQ(U32(0), t.done)
	first := c.Load(c.Param("c").Base(), c.GP64())
	c.MOVQ(first, t.out)
	columns := c.Load(c.Param("columns"), c.GP64())
	c.MOVQ(columns, t.left)
	c.Label("next")
	c.MOVQ(t.height, t.rows)
	c.MOVQ(t.left, t.columns)
	c.Load(c.Param("strips").Base(), t.strips)
	c.Load(c.Param("strips").Len(), t.count)
}

// goOn ends a tile of so many columns.
func (t *tile) goOn(columns int) {
	t.c.SUBQ(U8(uint8(columns)), t.left)
	t.c.JLE(LabelRef("end"))
	t.c.ADDQ(U32(uint32(4*columns)), t.out)
	t.c.ADDQ(U8(uint8(columns)), t.done)
	t.c.JMP(LabelRef("next"))
}

// end goes on with the rows below, if there are any.
func (t *tile) end() {
	c := t.c
	c.Label("end")
	height := c.GP64()
	c.MOVQ(t.height, height)
	c.ADDQ(height, t.above)
	c.SUBQ(height, argument(c.Param("rows")))
	c.JLE(LabelRef("done"))
	ldc := c.Load(c.Param("ldc"), c.GP64())
	c.SHLQ(U8(2), ldc)
	c.IMULQ(ldc, height)
	c.ADDQ(height, argument(c.Param("c").Base()))
	c.JMP(LabelRef("rows"))
	c.Label("done")
	c.VZEROUPPER()
	c.RET()
}
