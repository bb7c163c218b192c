package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// copyRows writes the AVX2 copy of rows that packing needs, one body for each
// whole width that tiles come in.
func copyRows(c *build.Context) {
	c.Function("copyRowsAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("copyRowsAVX2 is copyRows with AVX2, of at least one row of 16, 8 or 6 columns.")
	c.SignatureExpr("func(rows, columns int, src []float32, ld int, dst []float32, step int)")
	rows := c.Load(c.Param("rows"), c.GP64())
	columns := c.Load(c.Param("columns"), c.GP64())
	src := c.Load(c.Param("src").Base(), c.GP64()).(GPVirtual)
	ld := c.Load(c.Param("ld"), c.GP64())
	dst := c.Load(c.Param("dst").Base(), c.GP64()).(GPVirtual)
	step := c.Load(c.Param("step"), c.GP64())
	c.SHLQ(U8(2), ld)
	c.SHLQ(U8(2), step)
	for _, n := range []int{8, 6} {
		c.CMPQ(columns, U8(uint8(n)))
		c.JEQ(LabelRef(fmt.Sprintf("columns%d", n)))
	}
	for _, n := range []int{16, 8, 6} {
		c.Label(fmt.Sprintf("columns%d", n))
		from, to := Mem{Base: src}, Mem{Base: dst}
		switch n {
		case 16:
			low, high := c.YMM(), c.YMM()
			c.VMOVUPS(from, low)
			c.VMOVUPS(from.Offset(32), high)
			c.VMOVUPS(low, to)
			c.VMOVUPS(high, to.Offset(32))
		case 8:
			y := c.YMM()
			c.VMOVUPS(from, y)
			c.VMOVUPS(y, to)
		case 6:
			x, last := c.XMM(), c.GP64()
			c.VMOVUPS(from, x)
			c.MOVQ(from.Offset(16), last)
			c.VMOVUPS(x, to)
			c.MOVQ(last, to.Offset(16))
		}
		c.ADDQ(ld, src)
		c.ADDQ(step, dst)
		c.DECQ(rows)
		c.JNZ(LabelRef(fmt.Sprintf("columns%d", n)))
		c.VZEROUPPER()
		c.RET()
	}
}
