package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dotGroups is how many groups of 8 columns AVX2's dot tiles of so many rows have at most:
// enough sums to hide each other's latency, which leave eight registers. Package kernels has
// the same.
var dotGroups = [dotTall + 1]int{1: 4, 2: 3, 3: 2, 4: 2, 5: 1, 6: 1, 7: 1, 8: 1}

// dotTilesAVX2 writes AVX2's tiles of a right side that is held transposed: blocks of 8
// rows of it and 4 columns are transposed in registers, so that the sums of 8 rows are the
// lanes of a vector.
func dotTilesAVX2(c *build.Context) {
	c.Function("dotTileAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("dotTileAVX2 is dotTile with AVX2, of 8 columns to as many as dotGroups tells.")
	c.SignatureExpr("func(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end uint8)")
	rows, columns := c.Load(c.Param("rows"), c.GP64()), c.Load(c.Param("columns"), c.GP64())
	over := func(n Op, most, bodies int, label string) {
		if most < bodies {
			c.CMPQ(n, U8(uint8(most)))
			c.JG(LabelRef(label))
		}
	}
	for h := 1; h <= dotTall; h++ {
		higher := fmt.Sprintf("over%d", h)
		over(rows, h, dotTall, higher)
		for g := 1; g <= dotGroups[h]; g++ {
			d := &dotTileAVX2{dotOperands: dotOperands{c, h}, groups: g}
			over(columns, 8*g, 8*dotGroups[h], d.label("over"))
			d.body()
			c.Label(d.label("over"))
		}
		c.Label(higher)
	}
}

// A dotTileAVX2 holds what the parts of a body share.
type dotTileAVX2 struct {
	dotOperands
	groups int
	a, b   []Mem
	acol   GPVirtual
	back   GPVirtual      // over the columns of A that a block adds
	r      [4]VecVirtual  // written by halves, which the allocator takes for use throughout
	sums   [][]VecVirtual // of each group, of each row
	k      GPVirtual      // the columns that are left
}

func (d *dotTileAVX2) label(name string) string {
	return fmt.Sprintf("%s%dx%d", name, d.h, 8*d.groups)
}

// body writes the tile of h rows and so many groups. The last group has the last 8
// columns, of which the first may be the group's before it too.
func (d *dotTileAVX2) body() {
	c := d.c
	for range d.groups {
		d.sums = append(d.sums, vectors(c.YMM, d.h))
	}
	for _, group := range d.sums {
		for _, sum := range group {
			c.VXORPS(sum, sum, sum)
		}
	}
	copy(d.r[:], vectors(c.YMM, 4))
	d.a, d.acol = d.rowsOf("a", "arow"), d.scaled("acol")

	first, last, ldb := c.Load(c.Param("b").Base(), c.GP64()).(GPVirtual), c.GP64().(GPVirtual), d.scaled("ldb")
	c.Load(c.Param("columns"), last)
	c.SUBQ(U8(8), last)
	c.IMULQ(ldb, last)
	c.ADDQ(first, last)
	triple := c.GP64()
	c.LEAQ(Mem{Base: ldb, Index: ldb, Scale: 2}, triple)
	if d.groups > 1 {
		d.b = addressesBy(c, first, ldb, triple, 8*(d.groups-1))
	}
	d.b = append(d.b, addressesBy(c, last, ldb, triple, 8)...)

	d.k = c.Load(c.Param("k"), c.GP64()).(GPVirtual)
	d.sum()
	d.write()
	c.VZEROUPPER()
	c.RET()
}

// sum adds all columns, 8 at once and then 4. The last block has the last 4 columns, of
// which the first may be added already.
func (d *dotTileAVX2) sum() {
	c := d.c
	if d.groups > 1 {
		d.back = c.GP64()
		c.MOVQ(d.acol, d.back)
		c.SHLQ(U8(2), d.back)
	}
	c.SUBQ(U8(8), d.k)
	c.JL(LabelRef(d.label("rest")))
	c.Label(d.label("loop"))
	d.block(0)
	d.block(4)
	d.advance(U8(32))
	c.SUBQ(U8(8), d.k)
	c.JGE(LabelRef(d.label("loop")))

	c.Label(d.label("rest"))
	c.ADDQ(U8(8), d.k)
	c.JZ(LabelRef(d.label("sums")))
	c.CMPQ(d.k, U8(4))
	c.JLE(LabelRef(d.label("last")))
	d.block(0)
	d.advance(U8(16))
	c.SUBQ(U8(4), d.k)

	c.Label(d.label("last"))
	over := c.GP64()
	c.LEAQ(Mem{Base: d.k, Disp: -4}, over)
	c.SHLQ(U8(2), over)
	d.advance(over)
	if d.groups > 1 {
		c.MOVQ(d.acol, d.back)
		c.IMULQ(d.k, d.back)
	}
	d.lastBlock()
	c.Label(d.label("sums"))
}

// advance goes so many bytes on in B.
func (d *dotTileAVX2) advance(bytes Op) {
	for _, base := range bases(d.b) {
		d.c.ADDQ(bytes, base)
	}
}

// block adds 4 columns, of A the next ones and of B those that are so many further.
func (d *dotTileAVX2) block(at int) {
	c := d.c
	add := d.add
	if d.h == 1 { // all groups share what they multiply with
		var factors []VecVirtual
		for range 4 {
			factor := c.YMM()
			c.VBROADCASTSS(d.a[0], factor)
			c.ADDQ(d.acol, d.a[0].Base)
			factors = append(factors, factor)
		}
		add = func(g, column int, y VecVirtual) { c.VFMADD231PS(factors[column], y, d.sums[g][0]) }
	}
	for g := range d.groups {
		d.columns(g, at, func(column int, y VecVirtual) { add(g, column, y) })
		if d.h > 1 {
			d.again(g)
		}
	}
}

// lastBlock adds the last ones of 4 columns, of which k are left.
func (d *dotTileAVX2) lastBlock() {
	c := d.c
	for g := range d.groups {
		d.columns(g, 0, func(column int, y VecVirtual) {
			added := d.label(fmt.Sprintf("group%dadded%d", g, column))
			if column < 3 {
				c.CMPQ(d.k, U8(uint8(4-column)))
				c.JL(LabelRef(added))
			}
			d.add(g, column, y)
			c.Label(added)
		})
		d.again(g)
	}
}

// columns transposes 4 columns of a group.
func (d *dotTileAVX2) columns(g, at int, each func(column int, y VecVirtual)) {
	c := d.c
	for i, r := range d.r {
		twice := c.YMM() // takes less of Zen 3 than inserting a half
		c.VMOVUPS(d.b[8*g+i].Offset(4*at), r.AsX())
		c.VBROADCASTF128(d.b[8*g+i+4].Offset(4*at), twice)
		c.VBLENDPS(U8(0xf0), twice, r, r)
	}
	quads(c, c.YMM, d.r, func(column int) VecVirtual { return d.r[column] }, each)
}

// add adds the products of a column, of 8 rows of B, with A's next one.
func (d *dotTileAVX2) add(g, column int, y VecVirtual) {
	factor := d.r[(column+1)%4] // which is transposed, and read no more
	for i, sum := range d.sums[g] {
		d.c.VBROADCASTSS(d.a[i], factor)
		d.c.VFMADD231PS(factor, y, sum)
	}
	for _, base := range bases(d.a) {
		d.c.ADDQ(d.acol, base)
	}
}

// again goes back to the columns of A that the next group has too.
func (d *dotTileAVX2) again(g int) {
	if g == d.groups-1 {
		return
	}
	for _, base := range bases(d.a) {
		d.c.SUBQ(d.back, base)
	}
}

// write stores the sums, or adds them to C: all of C is read before any is written, since
// groups may share columns.
func (d *dotTileAVX2) write() {
	c := d.c
	out := d.rowsOf("c", "ldc")
	last := out
	if d.groups > 1 {
		columns := c.Load(c.Param("columns"), c.GP64()).(GPVirtual)
		last = d.rowsOf("c", "ldc")
		for _, base := range bases(last) {
			c.LEAQ(Mem{Base: base, Index: columns, Scale: 4, Disp: -32}, base)
		}
	}
	each := func(do func(sum VecVirtual, at Mem)) {
		for g, group := range d.sums {
			for i, sum := range group {
				if g == d.groups-1 {
					do(sum, last[i])
				} else {
					do(sum, out[i].Offset(32*g))
				}
			}
		}
	}
	c.CMPB(argument(c.Param("end")), U8(adds))
	c.JNE(LabelRef(d.label("write")))
	each(func(sum VecVirtual, at Mem) { c.VADDPS(at, sum, sum) })
	c.Label(d.label("write"))
	each(func(sum VecVirtual, at Mem) { c.VMOVUPS(sum, at) })
}
