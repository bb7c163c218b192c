package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dotTilesAVX512 writes AVX-512's tiles of a right side that is held transposed: blocks of 16
// rows of it and 16 columns, each a line of the cache, are transposed in registers, so
// that the sums of 16 rows are the lanes of a vector.
func dotTilesAVX512(c *build.Context) {
	c.Function("dotTileAVX512")
	c.Attributes(build.NOSPLIT)
	c.Doc("dotTileAVX512 is dotTile with AVX-512.")
	c.SignatureExpr("func(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end uint8)")
	rows := c.Load(c.Param("rows"), c.GP64())
	for h := 1; h < dotTall; h++ {
		c.CMPQ(rows, U8(uint8(h)))
		c.JEQ(LabelRef(fmt.Sprintf("rows%d", h)))
	}
	for h := dotTall; h >= 1; h-- {
		d := &dotTile{dotOperands: dotOperands{c, h}, stored: c.K()}
		d.body()
	}
}

// dotTall is the most rows of a call.
const dotTall = 8

// The dotOperands are those of a tile of h rows.
type dotOperands struct {
	c *build.Context
	h int
}

// scaled returns a parameter that is a number of elements, in bytes.
func (d dotOperands) scaled(name string) GPVirtual {
	x := d.c.Load(d.c.Param(name), d.c.GP64()).(GPVirtual)
	d.c.SHLQ(U8(2), x)
	return x
}

// rowsOf returns the addresses of the rows of an operand.
func (d dotOperands) rowsOf(name, step string) []Mem {
	first := d.c.Load(d.c.Param(name).Base(), d.c.GP64()).(GPVirtual)
	if d.h == 1 {
		return []Mem{{Base: first}}
	}
	return addresses(d.c, first, d.scaled(step), d.h)
}

// A dotTile holds what the parts of a body share.
type dotTile struct {
	dotOperands
	a      []Mem // an element of each row
	acol   GPVirtual
	b      [4]GPVirtual // the first four rows of B
	four   GPVirtual    // how far the fourth behind one is
	twelve GPVirtual
	lots   [4][4]VecVirtual // of four rows of B each; written by halves, which the allocator takes for use throughout
	sums   []VecVirtual
	stored OpmaskVirtual
}

func (d *dotTile) label(name string) string { return fmt.Sprintf("%s%d", name, d.h) }

// body writes the loops of h rows.
func (d *dotTile) body() {
	c := d.c
	c.Label(d.label("rows"))
	d.setMask(d.stored, 16)
	for l := range d.lots {
		copy(d.lots[l][:], vectors(c.ZMM, 4))
	}

	c.Label(d.label("columns"))
	d.four = d.scaled("ldb")
	for i := range d.b {
		d.b[i] = c.GP64()
		if i == 0 {
			c.Load(c.Param("b").Base(), d.b[0])
		} else {
			c.LEAQ(Mem{Base: d.b[i-1], Index: d.four, Scale: 1}, d.b[i])
		}
	}
	c.SHLQ(U8(2), d.four)
	d.twelve = c.GP64()
	c.LEAQ(Mem{Base: d.four, Index: d.four, Scale: 2}, d.twelve)
	d.a, d.acol = d.rowsOf("a", "arow"), d.scaled("acol")
	d.sums = vectors(c.ZMM, d.h)
	for _, sum := range d.sums {
		c.VXORPS(sum.AsY(), sum.AsY(), sum.AsY())
	}
	d.sum()
	d.write()
	d.next()
	c.VZEROUPPER()
	c.RET()
}

// sum adds all columns, and the last ones under masks.
func (d *dotTile) sum() {
	c := d.c
	k := c.Load(c.Param("k"), c.GP64()).(GPVirtual)
	c.SUBQ(U8(16), k)
	c.JL(LabelRef(d.label("half")))
	c.Label(d.label("loop"))
	whole := func(from Mem, to VecVirtual) { c.VMOVUPS(from, to.AsY()) }
	wholeHigh := func(from Mem, to VecVirtual) { c.VINSERTF32X8(U8(1), from, to, to) }
	d.block(16, whole, wholeHigh, nil)
	c.SUBQ(U8(16), k)
	c.JGE(LabelRef(d.label("loop")))

	c.Label(d.label("half"))
	c.ADDQ(U8(8), k)
	c.JL(LabelRef(d.label("rest")))
	d.block(8, whole, wholeHigh, nil)
	c.SUBQ(U8(8), k)

	c.Label(d.label("rest"))
	c.ADDQ(U8(8), k)
	c.JZ(LabelRef(d.label("sums")))
	low, high := c.K(), c.K()
	bits := c.GP32()
	c.MOVQ(k, RCX)
	c.MOVL(U32(1), bits)
	c.SHLL(CL, bits)
	c.DECL(bits)
	c.KMOVW(bits, low)
	c.SHLL(U8(8), bits)
	c.KMOVW(bits, high)
	d.block(8, func(from Mem, to VecVirtual) { c.VMOVUPS_Z(from, low, to.AsY()) },
		func(from Mem, to VecVirtual) { c.VBROADCASTF32X8(from, high, to) }, func() {
			c.DECQ(k)
			c.JZ(LabelRef(d.label("sums")))
		})
	c.Label(d.label("sums"))
}

// block adds the products with 8 or 16 columns. Of each 8, row i of B and four rows
// further are read as the halves of a vector, and so are rows i+8 and i+12 for the
// second of two lots. The blocks of 4×4 in their quarters are transposed; then a column
// has two quarters in each lot.
func (d *dotTile) block(columns int, read, readHigh func(from Mem, to VecVirtual), added func()) {
	c := d.c
	for i, base := range d.b {
		quarters := [4]Mem{{Base: base}, {Base: base, Index: d.four, Scale: 1}, {Base: base, Index: d.four, Scale: 2}, {Base: base, Index: d.twelve, Scale: 1}}
		for q, from := range quarters {
			for at := 0; at < columns; at += 8 {
				to := d.lots[at/4+q/2][i]
				if from := from.Offset(4 * at); q%2 == 0 {
					read(from, to)
				} else {
					readHigh(from, to)
				}
			}
		}
		c.ADDQ(U8(uint8(4*columns)), base)
	}
	for _, r := range d.lots[:columns/4] {
		quads(c, c.ZMM, r, func(column int) VecVirtual { return r[column] }, nil)
	}
	for column := range columns {
		y, lots := c.ZMM(), d.lots[column/8*2:]
		even, odd := U8(0x88), U8(0xdd) // of the quarters
		c.VSHUFF32X4([]Op{even, odd}[column/4%2], lots[1][column%4], lots[0][column%4], y)
		for row, sum := range d.sums {
			c.VFMADD231PS_BCST(d.a[row], y, sum)
		}
		for _, base := range bases(d.a) {
			c.ADDQ(d.acol, base)
		}
		if added != nil && column < columns-1 {
			added()
		}
	}
}

// write stores the sums, or adds them to C.
func (d *dotTile) write() {
	c := d.c
	out := d.rowsOf("c", "ldc")
	c.CMPB(argument(c.Param("end")), U8(adds))
	c.JNE(LabelRef(d.label("write")))
	for i, sum := range d.sums {
		c.VADDPS(out[i], sum, d.stored, sum)
	}
	c.Label(d.label("write"))
	for i, sum := range d.sums {
		c.VMOVUPS(sum, d.stored, out[i])
	}
}

// next goes on with the next columns of C. The last ones are a whole vector too, of
// which the first may be done.
func (d *dotTile) next() {
	c := d.c
	left, step, shift := c.GP64(), c.GP64(), c.GP32()
	c.Load(c.Param("columns"), left)
	c.SUBQ(U8(16), left)
	c.JLE(LabelRef(d.label("done")))
	c.MOVQ(U32(16), step)
	c.CMPQ(left, U8(16))
	c.JGE(LabelRef(d.label("whole")))
	c.MOVQ(left, step)
	c.MOVQ(U32(16), RCX)
	c.SUBQ(left, RCX)
	c.MOVL(U32(0xffff), shift)
	c.SHLL(CL, shift)
	c.KMOVW(shift, d.stored)
	c.MOVQ(U32(16), left)
	c.Label(d.label("whole"))
	c.MOVQ(left, argument(c.Param("columns")))
	c.SHLQ(U8(2), step)
	c.ADDQ(step, argument(c.Param("c").Base()))
	c.IMULQ(argument(c.Param("ldb")), step)
	c.ADDQ(step, argument(c.Param("b").Base()))
	c.JMP(LabelRef(d.label("columns")))
	c.Label(d.label("done"))
}

// setMask sets the first n bits of a mask.
func (d *dotTile) setMask(mask OpmaskVirtual, n int) {
	bits := d.c.GP32()
	d.c.MOVL(U32(1<<n-1), bits)
	d.c.KMOVW(bits, mask)
}
