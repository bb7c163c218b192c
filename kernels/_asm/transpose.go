package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// transpose writes the AVX2 transposition that packing needs, one body for each
// number of rows.
func transpose(c *build.Context) {
	c.Function("transposeAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("transposeAVX2 is transpose with AVX2, of k columns, a multiple of 8 and not 0.")
	c.SignatureExpr("func(rows, k int, src []float32, ld int, dst []float32, step int)")
	rows := c.Load(c.Param("rows"), c.GP64())
	k := c.Load(c.Param("k"), c.GP64()).(GPVirtual)
	src := c.Load(c.Param("src").Base(), c.GP64()).(GPVirtual)
	ld := c.Load(c.Param("ld"), c.GP64()).(GPVirtual)
	dst := c.Load(c.Param("dst").Base(), c.GP64()).(GPVirtual)
	step := c.Load(c.Param("step"), c.GP64()).(GPVirtual)
	c.SHLQ(U8(2), ld)
	c.SHLQ(U8(2), step)

	for h := 1; h < 8; h++ {
		c.CMPQ(rows, U8(uint8(h)))
		c.JEQ(LabelRef(fmt.Sprintf("rows%d", h)))
	}
	for h := 8; h >= 1; h-- {
		c.Label(fmt.Sprintf("rows%d", h))
		from := addresses(c, src, ld, h)
		c.Label(fmt.Sprintf("loop%d", h))
		for half := range 2 {
			// Lanes of four: row i beside row i+4, zeros for rows that are not there.
			var r [4]VecVirtual
			for i := range r {
				r[i] = c.YMM()
				if i >= h {
					c.VXORPS(r[i], r[i], r[i])
					continue
				}
				c.VMOVUPS(from[i].Offset(16*half), r[i].AsX())
				if i+4 < h {
					c.VINSERTF128(U8(1), from[i+4].Offset(16*half), r[i], r[i])
				}
			}
			pair := func(interleave func(ops ...Op), i, j int) VecVirtual {
				y := c.YMM()
				interleave(r[j], r[i], y)
				return y
			}
			low01, low23 := pair(c.VUNPCKLPS, 0, 1), pair(c.VUNPCKLPS, 2, 3)
			high01, high23 := pair(c.VUNPCKHPS, 0, 1), pair(c.VUNPCKHPS, 2, 3)
			for column, from := range [4][2]VecVirtual{{low01, low23}, {low01, low23}, {high01, high23}, {high01, high23}} {
				y := c.YMM()
				c.VSHUFPS(U8([]uint8{0x44, 0xee}[column%2]), from[1], from[0], y)
				c.VMOVUPS(y, Mem{Base: dst})
				c.ADDQ(step, dst)
			}
		}
		for _, base := range bases(from) {
			c.ADDQ(U8(32), base)
		}
		c.SUBQ(U8(8), k)
		c.JNZ(LabelRef(fmt.Sprintf("loop%d", h)))
		c.VZEROUPPER()
		c.RET()
	}
}
