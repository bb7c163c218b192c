package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func init() { generators["tile_amd64.s"] = tiles }

// tiles writes the tile of each level, one body for each height and number of
// vectors, what packing needs, and the loops that measure the machine's peak.
func tiles(c *build.Context) {
	masks := tailMasks(c)
	tileAVX2(c, masks)
	tileAVX512(c)
	transpose(c, masks)
	copyRows(c, masks)
	dots(c, masks)
	fmaPeak(c, "AVX2", 12, c.YMM)
	fmaPeak(c, "AVX512", 24, c.ZMM)
}

// tileAVX2 writes tiles of 6 rows of two vectors or 12 of one. Masks are vectors here,
// and a masked store is slow: a whole last vector has bodies of its own.
func tileAVX2(c *build.Context, masks Mem) {
	t := newTile(c, "AVX2", "6 rows of up to 16 columns or 12 of up to 8")
	t.masks = masks
	wide, narrow := shape{8, 2, 6}, shape{8, 1, 12}
	t.sums = vectors(c.YMM, 12)
	t.narrowIfOver(wide.rows)
	t.ifColumns(c.JGE, 16, wide.label(""))
	t.ifColumns(c.JLE, 8, "narrow")
	t.loadMask(16)
	t.heights(wide, "tail")
	t.mask = nil
	t.heights(wide, "")
	c.Label("narrow")
	t.ifColumns(c.JGE, 8, narrow.label(""))
	t.loadMask(8)
	t.heights(narrow, "tail")
	t.mask = nil
	t.heights(narrow, "")
	t.end()
}

// tileAVX512 writes tiles of 8 rows of two or three vectors or 16 of one or half a
// vector. A mask costs nothing here, so the last vector always has one. Half a vector
// more than one or two is a tile of its own. One row alone has longer tiles, if B's rows
// lie whole: its sums are few, and B is read in longer runs.
func tileAVX512(c *build.Context) {
	t := newTile(c, "AVX512", "8 rows of up to 48 columns, 16 of up to 16 or one of up to 144")
	t.evex = true
	mask := c.K()
	t.mask = mask
	half, one, two, three := shape{8, 1, 16}, shape{16, 1, 16}, shape{16, 2, 8}, shape{16, 3, 8}
	t.sums = vectors(c.ZMM, 24)
	t.narrowIfOver(three.rows)
	t.ifColumns(c.JLE, 24, "narrow")
	t.ifColumns(c.JGE, 48, "whole")
	t.firstLanes(mask)
	t.ifColumns(c.JLE, 32, two.label(""))
	t.ifColumns(c.JG, 40, three.label(""))
	c.KXNORW(mask, mask, mask)
	c.JMP(LabelRef(two.label("")))
	c.Label("whole")
	c.CMPQ(t.rows, U8(1))
	c.JEQ(LabelRef("row"))
	c.Label("tiles")
	c.KXNORW(mask, mask, mask)
	t.heights(three, "")
	t.heights(two, "")
	c.Label("narrow")
	t.firstLanes(mask)
	t.ifColumns(c.JLE, 8, half.label(""))
	t.ifColumns(c.JLT, 16, one.label(""))
	c.KXNORW(mask, mask, mask)
	t.heights(one, "")
	t.heights(half, "")
	c.Label("row")
	t.ifColumns(c.JE, 48, "tiles")
	for _, one := range []Op{t.count, Mem{Base: t.strips, Disp: stripBCol}} {
		c.CMPQ(one, U8(1))
		c.JNE(LabelRef("tiles"))
	}
	t.firstLanes(mask)
	const longest = 9
	long := func(vectors int) shape { return shape{16, vectors, 1} }
	for v := 4; v <= longest; v++ {
		t.ifColumns(c.JLE, 16*v, long(v).label("row"))
	}
	c.KXNORW(mask, mask, mask)
	for v := longest; v >= 4; v-- {
		t.heights(long(v), "row")
	}
	t.end()
}

// narrowIfOver goes to the narrow tiles if there are more rows than the wide have.
func (t *tile) narrowIfOver(rows int) {
	t.c.CMPQ(t.rows, U8(uint8(rows)))
	t.c.JG(LabelRef("narrow"))
}

// ifColumns jumps to a label if so many columns are left.
func (t *tile) ifColumns(jump func(Op), n int, label string) {
	t.c.CMPQ(t.columns, U8(uint8(n)))
	jump(LabelRef(label))
}

// A shape is a width of so many vectors and the most rows that it is written for.
type shape struct {
	lanes, vectors, rows int
}

func (s shape) label(kind string) string {
	return fmt.Sprintf("%swide%d", kind, s.lanes*s.vectors)
}

// line is how many elements a line of the cache has.
const line = 16

// Offsets of the fields of kernels.strip, and its size.
const (
	stripK     = 0
	stripA     = 8
	stripARow  = 32
	stripACol  = 40
	stripB     = 48
	stripBRow  = 72
	stripBCol  = 80
	stripAhead = 88
	stripSize  = 96
)

// Values of kernels.ending.
const (
	adds   = 1
	goesOn = 2
)

// A tile holds what all bodies of a function share.
type tile struct {
	c             *build.Context
	rows, columns GPVirtual // columns that are left
	strips, count GPVirtual
	left, out     Mem // the columns that are left and where the tile's are in C
	ending        Mem // the argument
	done          Mem // columns
	height        Mem // rows of the tiles side by side
	above         Mem // rows of A that are done
	evex          bool
	sums          []VecVirtual // the same for all bodies: the allocator of registers holds that they live on from tile to tile
	masks         Mem          // AVX2's: eight times -1, eight times 0
	mask          Op           // of the last vector, nil if it is whole
}

func newTile(c *build.Context, isa, does string) *tile {
	c.Function("tiles" + isa)
	c.Attributes(build.NOSPLIT)
	c.Doc("tiles" + isa + " is tiles with " + isa + ": " + does + ".")
	// The strips are given as []strip; all that counts here is their address.
	c.SignatureExpr("func(rows, most, columns int, strips []float32, c []float32, ldc int, end uint8)")
	t := &tile{c: c, ending: argument(c.Param("end"))}
	for _, local := range []*Mem{&t.left, &t.out, &t.done, &t.height, &t.above} {
		*local = c.AllocLocal(8)
	}
	t.rows, t.columns, t.strips, t.count = c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.MOVQ(U32(0), t.above)
	// Tiles below those before: as many rows as are left, or half of them, or most.
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
	return t
}

// vectors makes n registers.
func vectors(one func() VecVirtual, n int) (all []VecVirtual) {
	for range n {
		all = append(all, one())
	}
	return all
}

// argument returns where an argument is.
func argument(component gotypes.Component) Mem {
	basic, err := component.Resolve()
	if err != nil {
		panic(err)
	}
	return basic.Addr
}

// goOn ends a tile of so many columns.
func (t *tile) goOn(columns int) {
	t.c.SUBQ(U8(uint8(columns)), t.left)
	t.c.JLE(LabelRef("end"))
	t.c.ADDQ(U32(uint32(4*columns)), t.out)
	t.c.ADDQ(U8(uint8(columns)), t.done)
	t.c.JMP(LabelRef("next"))
}

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

// heights writes the bodies of a shape and the search for the one of t.rows.
func (t *tile) heights(s shape, kind string) {
	t.c.Label(s.label(kind))
	t.search(s, kind, 1, s.rows)
}

// search branches to the bodies of low to high rows by halves.
func (t *tile) search(s shape, kind string, low, high int) {
	if low == high {
		t.body(s, kind, low)
		return
	}
	middle := (low + high) / 2
	label := fmt.Sprintf("%sover%d", s.label(kind), middle)
	t.c.CMPQ(t.rows, U8(uint8(middle)))
	t.c.JG(LabelRef(label))
	t.search(s, kind, low, middle)
	t.c.Label(label)
	t.search(s, kind, middle+1, high)
}

// body writes the tile of h rows of a shape.
func (t *tile) body(s shape, kind string, h int) {
	c := t.c
	label := func(name string) string { return fmt.Sprintf("%s%s%dx%d", name, kind, h, s.lanes*s.vectors) }
	vector := c.YMM
	if s.lanes == 16 {
		vector = c.ZMM
	}
	sums := make([][]Register, h)
	for i := range sums {
		for v := range s.vectors {
			sum := t.sums[i*s.vectors+v]
			c.VXORPS(sum.AsY(), sum.AsY(), sum.AsY())
			if s.lanes == 16 {
				sums[i] = append(sums[i], sum.AsZ())
			} else {
				sums[i] = append(sums[i], sum.AsY())
			}
		}
	}
	output := func() []Mem {
		first := c.GP64()
		c.MOVQ(t.out, first)
		ldc := c.Load(c.Param("ldc"), c.GP64()).(GPVirtual)
		c.SHLQ(U8(2), ldc)
		return addresses(c, first, ldc, h)
	}
	c.CMPB(t.ending, U8(goesOn))
	c.JNE(LabelRef(label("from0")))
	for i, row := range output() {
		for v, sum := range sums[i] {
			t.load(row.Offset(4*s.lanes*v), sum, v == s.vectors-1)
		}
	}
	c.Label(label("from0"))
	// C is fetched while the sum is made: a row in each of the first steps.
	fetches := s.vectors > 1
	long := s.rows == 1 // B is more than registers hold, and read by the multiply-adds
	var fetch, ldc GPVirtual
	left := c.GP32()
	if fetches {
		fetch = c.GP64()
		c.MOVQ(t.out, fetch)
		ldc = c.Load(c.Param("ldc"), c.GP64()).(GPVirtual)
		c.SHLQ(U8(2), ldc)
		c.MOVL(U32(uint32(h)), left)
		// If that is short, a row of the next tile to the right.
		next := c.GP64()
		c.LEAQ(Mem{Base: fetch, Disp: 4 * s.vectors * s.lanes}, next)
		c.CMPQ(Mem{Base: t.strips, Disp: stripK}, U8(line))
		c.CMOVQLE(next, fetch)
	}

	c.Label(label("strip"))
	field := func(offset int, scale bool) GPVirtual {
		r := c.GP64()
		c.MOVQ(Mem{Base: t.strips, Disp: offset}, r)
		if scale {
			c.SHLQ(U8(2), r)
		}
		return r
	}
	b := field(stripBCol, true)
	c.IMULQ(t.done, b)
	c.ADDQ(Mem{Base: t.strips, Disp: stripB}, b)
	bRow, k := field(stripBRow, true), field(stripK, false)
	var ahead GPVirtual
	if s.vectors > 1 && !long {
		ahead = field(stripAhead, false)
	}
	a, aRow, aCol := field(stripA, false), field(stripARow, true), field(stripACol, true)
	above := c.GP64()
	c.MOVQ(t.above, above)
	c.IMULQ(aRow, above)
	c.ADDQ(above, a)
	rows := addresses(c, a, aRow, h)

	step := func() {
		if s.vectors > 1 && !long {
			if !t.evex {
				c.PREFETCHT0(Mem{Base: b, Index: bRow, Scale: 8})
			}
			for v := 0; v < s.vectors*s.lanes; v += line {
				c.PREFETCHT1(Mem{Base: b, Index: ahead, Scale: 4, Disp: 4 * v})
			}
		}
		if long {
			x := vector()
			c.VBROADCASTSS(rows[0], x)
			for v, sum := range sums[0] {
				y := Mem{Base: b}.Offset(4 * s.lanes * v)
				if v == s.vectors-1 {
					c.VFMADD231PS(y, x, t.mask, sum)
				} else {
					c.VFMADD231PS(y, x, sum)
				}
			}
			c.ADDQ(aCol, a)
			c.ADDQ(bRow, b)
			return
		}
		var bs []VecVirtual
		for v := range s.vectors {
			y := vector()
			t.load(Mem{Base: b}.Offset(4*s.lanes*v), y, v == s.vectors-1)
			bs = append(bs, y)
		}
		for i, row := range rows {
			if t.evex && s.vectors == 1 {
				c.VFMADD231PS_BCST(row, bs[0], sums[i][0])
				continue
			}
			x := vector()
			c.VBROADCASTSS(row, x)
			for v, y := range bs {
				c.VFMADD231PS(y, x, sums[i][v])
			}
		}
		for _, base := range bases(rows) {
			c.ADDQ(aCol, base)
		}
		c.ADDQ(bRow, b)
	}
	// As many columns of A at once as give the loop 24 multiply-adds, 4 at most.
	unroll := 1
	for unroll < 4 && 2*unroll*h*s.vectors <= 24 {
		unroll *= 2
	}
	if fetches {
		c.TESTL(left, left)
		c.JZ(LabelRef(label("fetched")))
		c.TESTQ(k, k)
		c.JZ(LabelRef(label("next")))
		c.Label(label("fetch"))
		for v := 0; v < s.vectors*s.lanes; v += line {
			c.PREFETCHT0(Mem{Base: fetch, Disp: 4 * v})
		}
		c.ADDQ(ldc, fetch)
		step()
		c.DECQ(k)
		c.JZ(LabelRef(label("next")))
		c.DECL(left)
		c.JNZ(LabelRef(label("fetch")))
		c.Label(label("fetched"))
	}
	if unroll > 1 {
		c.SUBQ(U8(uint8(unroll)), k)
		c.JL(LabelRef(label("fewer")))
		c.Label(label("some"))
		for range unroll {
			step()
		}
		c.SUBQ(U8(uint8(unroll)), k)
		c.JGE(LabelRef(label("some")))
		c.Label(label("fewer"))
		c.ADDQ(U8(uint8(unroll)), k)
	} else {
		c.TESTQ(k, k)
	}
	c.JZ(LabelRef(label("next")))
	c.Label(label("one"))
	step()
	c.DECQ(k)
	c.JNZ(LabelRef(label("one")))
	c.Label(label("next"))
	c.ADDQ(U8(stripSize), t.strips)
	c.DECQ(t.count)
	c.JG(LabelRef(label("strip")))

	dst := output()
	c.CMPB(t.ending, U8(adds))
	c.JNE(LabelRef(label("write")))
	for i, row := range dst {
		for v, sum := range sums[i] {
			t.add(row.Offset(4*s.lanes*v), sum, v == s.vectors-1)
		}
	}
	c.Label(label("write"))
	columns := c.GP64()
	c.MOVQ(t.left, columns)
	for i, row := range dst {
		for v, sum := range sums[i] {
			to := row.Offset(4 * s.lanes * v)
			if last := v == s.vectors-1; last && t.mask != nil && !t.evex {
				t.storeFirst(columns, sum, to, label(fmt.Sprintf("row%d", i)))
			} else {
				t.store(sum, to, last)
			}
		}
	}
	t.goOn(s.vectors * s.lanes)
}
