package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// copyRows writes the AVX2 copy of rows that packing needs, one body for each
// number of vectors, of which the last is read under a mask and written whole, and one
// of rows that are longer.
func copyRows(c *build.Context, masks Mem) {
	c.Function("copyRowsAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("copyRowsAVX2 is copyRows with AVX2, of at least one row and one column.")
	c.SignatureExpr("func(rows, columns int, src []float32, ld int, dst []float32, step int)")
	rows := c.Load(c.Param("rows"), c.GP64())
	columns := c.Load(c.Param("columns"), c.GP64()).(GPVirtual)
	src := c.Load(c.Param("src").Base(), c.GP64()).(GPVirtual)
	ld := c.Load(c.Param("ld"), c.GP64())
	dst := c.Load(c.Param("dst").Base(), c.GP64()).(GPVirtual)
	step := c.Load(c.Param("step"), c.GP64()).(GPVirtual)
	c.SHLQ(U8(2), ld)
	c.SHLQ(U8(2), step)
	for n := 1; n < 6; n++ {
		c.CMPQ(columns, U8(uint8(8*n)))
		c.JLE(LabelRef(fmt.Sprintf("vectors%d", n)))
	}
	c.CMPQ(columns, U8(48))
	c.JG(LabelRef("long"))
	table, mask := c.GP64(), c.YMM()
	for n := 6; n >= 1; n-- {
		c.Label(fmt.Sprintf("vectors%d", n))
		c.LEAQ(masks, table)
		c.NEGQ(columns)
		c.VMOVUPS(Mem{Base: table, Index: columns, Scale: 4, Disp: 32 * n}, mask)
		c.Label(fmt.Sprintf("loop%d", n))
		for line := 0; line < n; line += 2 { // of the next panel
			c.PREFETCHT0(Mem{Base: src, Index: step, Scale: 1, Disp: 32 * line})
		}
		var ys []VecVirtual
		for v := range n {
			y := c.YMM()
			if v < n-1 {
				c.VMOVUPS(Mem{Base: src, Disp: 32 * v}, y)
			} else {
				c.VMASKMOVPS(Mem{Base: src, Disp: 32 * v}, mask, y)
			}
			ys = append(ys, y)
		}
		for v, y := range ys {
			c.VMOVUPS(y, Mem{Base: dst, Disp: 32 * v})
		}
		c.ADDQ(ld, src)
		c.ADDQ(step, dst)
		c.DECQ(rows)
		c.JNZ(LabelRef(fmt.Sprintf("loop%d", n)))
		c.VZEROUPPER()
		c.RET()
	}
	c.Label("long")
	copyLongRows(c, rows, columns, src, ld, dst, step)
	c.VZEROUPPER()
	c.RET()
}

// copyLongRows writes the copy of rows of at least 8 columns. Each row is a run of its
// own, which the processor notices late: the row four on is fetched meanwhile.
func copyLongRows(c *build.Context, rows, columns, src, ld, dst, step Register) {
	const vectors = 4 // at once
	left, from, to, ahead := c.GP64(), c.GP64(), c.GP64(), c.GP64()
	ys := [vectors]VecVirtual{c.YMM(), c.YMM(), c.YMM(), c.YMM()}
	copied := func(n int) {
		for v := range n {
			c.VMOVUPS(Mem{Base: from, Disp: 32 * v}, ys[v])
		}
		for v := range n {
			c.VMOVUPS(ys[v], Mem{Base: to, Disp: 32 * v})
		}
		c.ADDQ(U8(32*n), from)
		c.ADDQ(U8(32*n), to)
	}
	c.Label("row")
	c.MOVQ(columns, left)
	c.MOVQ(src, from)
	c.MOVQ(dst, to)
	c.LEAQ(Mem{Base: src, Index: ld, Scale: 4}, ahead)
	c.SUBQ(U8(8*vectors), left)
	c.JL(LabelRef("rest"))
	c.Label("run")
	for v := 0; v < 8*vectors; v += line {
		c.PREFETCHT0(Mem{Base: ahead, Disp: 4 * v})
	}
	c.ADDQ(U8(32*vectors), ahead)
	copied(vectors)
	c.SUBQ(U8(8*vectors), left)
	c.JGE(LabelRef("run"))
	c.Label("rest")
	c.ADDQ(U8(8*vectors-8), left)
	c.JL(LabelRef("last"))
	c.Label("vector")
	copied(1)
	c.SUBQ(U8(8), left)
	c.JGE(LabelRef("vector"))
	// The last vector begins early enough to be whole.
	c.Label("last")
	c.VMOVUPS(Mem{Base: from, Index: left, Scale: 4}, ys[0])
	c.VMOVUPS(ys[0], Mem{Base: to, Index: left, Scale: 4})
	c.ADDQ(ld, src)
	c.ADDQ(step, dst)
	c.DECQ(rows)
	c.JNZ(LabelRef("row"))
}
