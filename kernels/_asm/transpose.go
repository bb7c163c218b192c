package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tailMasks declares eight times -1, then eight times 0: the masks of a vector's
// first n elements begin at element 8-n.
func tailMasks(c *build.Context) Mem {
	table := c.StaticGlobal("tailMasks")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 16 {
		c.AddDatum(4*i, U32([]uint32{math.MaxUint32, 0}[i/8]))
	}
	return table
}

// quads transposes the blocks of 4×4 that the quarters, of 128 bits, of four vectors
// make, into the vectors that to gives it: these may be the four. It calls each, if it
// is not nil, behind each column.
func quads(c *build.Context, vector func() VecVirtual, r [4]VecVirtual, to func(column int) VecVirtual, each func(column int, y VecVirtual)) {
	pair := func(interleave func(ops ...Op), i, j int) VecVirtual {
		y := vector()
		interleave(r[j], r[i], y)
		return y
	}
	low01, low23 := pair(c.VUNPCKLPS, 0, 1), pair(c.VUNPCKLPS, 2, 3)
	high01, high23 := pair(c.VUNPCKHPS, 0, 1), pair(c.VUNPCKHPS, 2, 3)
	for column, from := range [4][2]VecVirtual{{low01, low23}, {low01, low23}, {high01, high23}, {high01, high23}} {
		y := to(column)
		c.VSHUFPS(U8([]uint8{0x44, 0xee}[column%2]), from[1], from[0], y)
		if each != nil {
			each(column, y)
		}
	}
}

// transpose writes the AVX2 transposition that packing needs, of blocks of 8×8. A
// row that is not there is read as the last one, and zeros are written of it.
func transpose(c *build.Context, masks Mem) {
	c.Function("transposeAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("transposeAVX2 is transpose with AVX2, of at least one row and column.")
	c.SignatureExpr("func(rows, k int, src []float32, ld int, dst []float32, step int)")
	rows := c.Load(c.Param("rows"), c.GP64())
	ld := c.Load(c.Param("ld"), c.GP64()).(GPVirtual)
	c.SHLQ(U8(2), ld)
	var from [8]GPVirtual
	from[0] = c.Load(c.Param("src").Base(), c.GP64()).(GPVirtual)
	for i := 1; i < 8; i++ {
		from[i] = c.GP64()
		c.LEAQ(Mem{Base: from[i-1], Index: ld, Scale: 1}, from[i])
		c.CMPQ(rows, U8(uint8(i)))
		c.CMOVQLE(from[i-1], from[i])
	}
	step := c.Load(c.Param("step"), c.GP64()).(GPVirtual)
	// The rows of the next panel are as far away as this one has rows, its step.
	at, ahead := c.GP64(), ld
	c.IMULQ(step, ahead)
	c.SHLQ(U8(2), step)
	c.XORQ(at, at)
	dst := c.Load(c.Param("dst").Base(), c.GP64()).(GPVirtual)
	k := c.Load(c.Param("k"), c.GP64()).(GPVirtual)

	there, lanes := c.GP64(), c.YMM()
	c.LEAQ(masks, there)
	c.NEGQ(rows)
	c.VMOVUPS(Mem{Base: there, Index: rows, Scale: 4, Disp: 32}, lanes)

	// Written by halves, which the allocator takes for use throughout.
	r := [4]VecVirtual{c.YMM(), c.YMM(), c.YMM(), c.YMM()}
	triple := c.GP64()
	c.LEAQ(Mem{Base: step, Index: step, Scale: 2}, triple)
	// half writes four columns of a block, as far as there are rows if whole is not
	// set: r has row i beside row i+4 in lanes of four.
	half := func(whole bool, stored func()) {
		to := [4]Mem{{Base: dst}, {Base: dst, Index: step, Scale: 1}, {Base: dst, Index: step, Scale: 2}, {Base: dst, Index: triple, Scale: 1}}
		quads(c, c.YMM, r, func(int) VecVirtual { return c.YMM() }, func(column int, y VecVirtual) {
			if !whole {
				c.VANDPS(lanes, y, y)
			}
			c.VMOVUPS(y, to[column])
			stored()
		})
		c.LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
	}
	// blocks writes all columns, of which there are at least 8.
	blocks := func(name string, whole bool) {
		c.Label(name)
		for i := range from {
			c.PREFETCHT0(Mem{Base: from[i], Index: ahead, Scale: 1})
		}
		for side := range 2 {
			for i := range r {
				c.VMOVUPS(Mem{Base: from[i], Index: at, Scale: 1}.Offset(16*side), r[i].AsX())
				c.VINSERTF128(U8(1), Mem{Base: from[i+4], Index: at, Scale: 1}.Offset(16*side), r[i], r[i])
			}
			half(whole, func() {})
		}
		c.ADDQ(U8(32), at)
		c.ADDQ(U8(32), ahead)
		c.SUBQ(U8(8), k)
		c.JZ(LabelRef("done"))
		c.CMPQ(k, U8(8))
		c.JGE(LabelRef(name))
		// The last block begins early enough to be whole.
		c.SUBQ(U8(8), k)
		c.LEAQ(Mem{Base: at, Index: k, Scale: 4}, at)
		c.IMULQ(step, k)
		c.ADDQ(k, dst)
		c.MOVQ(U32(8), k)
		c.JMP(LabelRef(name))
	}

	c.CMPQ(k, U8(8))
	c.JL(LabelRef("few"))
	c.CMPQ(rows, I8(-8))
	c.JNE(LabelRef("partial"))
	blocks("whole", true)
	blocks("partial", false)

	c.Label("few")
	table := ahead // is done with
	c.LEAQ(masks, table)
	c.NEGQ(k)
	c.LEAQ(Mem{Base: table, Index: k, Scale: 4, Disp: 32}, table)
	for side := range 2 {
		mask := c.XMM()
		c.VMOVUPS(Mem{Base: table, Disp: 16 * side}, mask)
		for i := range r {
			low := c.XMM()
			c.VMASKMOVPS(Mem{Base: from[i], Disp: 16 * side}, mask, r[i].AsX())
			c.VMASKMOVPS(Mem{Base: from[i+4], Disp: 16 * side}, mask, low)
			c.VINSERTF128(U8(1), low, r[i], r[i])
		}
		half(false, func() {
			c.INCQ(k)
			c.JZ(LabelRef("done"))
		})
	}
	c.Label("done")
	c.VZEROUPPER()
	c.RET()
}
