package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dots writes the AVX2 product of a matrix's rows with a vector: blocks of 8×8 are
// transposed in registers, so that the sums of 8 rows are the lanes of a vector. It
// takes 1 to 4 groups of 8 rows at once, whose sums hide each other's latency.
func dots(c *build.Context, masks Mem) {
	c.Function("dotsAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("dotsAVX2 is dots with AVX2.")
	c.SignatureExpr("func(groups, k int, a []float32, lda int, x, sums []float32)")
	groups := c.Load(c.Param("groups"), c.GP64())
	for n := 1; n < 4; n++ {
		c.CMPQ(groups, U8(uint8(n)))
		c.JEQ(LabelRef(fmt.Sprintf("groups%d", n)))
	}
	for n := 4; n >= 1; n-- {
		label := func(name string) string { return fmt.Sprintf("%s%d", name, n) }
		c.Label(label("groups"))
		a := c.Load(c.Param("a").Base(), c.GP64()).(GPVirtual)
		lda := c.Load(c.Param("lda"), c.GP64()).(GPVirtual)
		x := c.Load(c.Param("x").Base(), c.GP64()).(GPVirtual)
		k := c.Load(c.Param("k"), c.GP64()).(GPVirtual)
		c.SHLQ(U8(2), lda)
		rows := addresses(c, a, lda, 8*n)
		sums := make([]VecVirtual, n)
		for g := range sums {
			sums[g] = c.YMM()
			c.VXORPS(sums[g], sums[g], sums[g])
		}
		// Written by halves, which the allocator takes for use throughout.
		r := [4]VecVirtual{c.YMM(), c.YMM(), c.YMM(), c.YMM()}
		// half adds four columns of a group, of which r has row i beside row i+4.
		half := func(g, side int, added func()) {
			quads(c, c.YMM, r, func(int) VecVirtual { return c.YMM() }, func(column int, y VecVirtual) {
				factor := c.YMM()
				c.VBROADCASTSS(Mem{Base: x, Disp: 4 * (4*side + column)}, factor)
				c.VFMADD231PS(factor, y, sums[g])
				added()
			})
		}

		c.SUBQ(U8(8), k)
		c.JL(LabelRef(label("rest")))
		c.Label(label("loop"))
		for g := range n {
			for side := range 2 {
				for i := range r {
					c.VMOVUPS(rows[8*g+i].Offset(16*side), r[i].AsX())
					c.VINSERTF128(U8(1), rows[8*g+i+4].Offset(16*side), r[i], r[i])
				}
				half(g, side, func() {})
			}
		}
		for _, base := range bases(rows) {
			c.ADDQ(U8(32), base)
		}
		c.ADDQ(U8(32), x)
		c.SUBQ(U8(8), k)
		c.JGE(LabelRef(label("loop")))

		// The columns of the last block are read under a mask.
		c.Label(label("rest"))
		c.ADDQ(U8(8), k)
		c.JZ(LabelRef(label("store")))
		table := c.GP64()
		c.NEGQ(k)
		c.LEAQ(masks, table)
		c.LEAQ(Mem{Base: table, Index: k, Scale: 4, Disp: 32}, table)
		left := table
		mask := [2]VecVirtual{c.XMM(), c.XMM()}
		for side := range mask {
			c.VMOVUPS(Mem{Base: table, Disp: 16 * side}, mask[side])
		}
		for g := range n {
			next := label(fmt.Sprintf("group%dof", g))
			c.MOVQ(k, left)
			for side := range 2 {
				for i := range r {
					low := c.XMM()
					c.VMASKMOVPS(rows[8*g+i].Offset(16*side), mask[side], r[i].AsX())
					c.VMASKMOVPS(rows[8*g+i+4].Offset(16*side), mask[side], low)
					c.VINSERTF128(U8(1), low, r[i], r[i])
				}
				half(g, side, func() {
					c.INCQ(left)
					c.JZ(LabelRef(next))
				})
			}
			c.Label(next)
		}
		c.Label(label("store"))
		to := c.Load(c.Param("sums").Base(), c.GP64())
		for g, sum := range sums {
			c.VMOVUPS(sum, Mem{Base: to, Disp: 32 * g})
		}
		c.VZEROUPPER()
		c.RET()
	}
}
