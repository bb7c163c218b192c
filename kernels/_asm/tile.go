package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
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

// tileAVX2 writes the tile of 6 rows of two vectors or 12 of one. Masks are vectors here, and a masked store is slow: a whole last vector has
// bodies of its own.
func tileAVX2(c *build.Context, masks Mem) {
	t := newTile(c, "AVX2", "6 rows of up to 16 columns or 12 of up to 8")
	t.masks = masks
	rest := c.GP64() // columns of the last vector, less 8
	c.MOVQ(t.columns, rest)
	c.SUBQ(U8(8), rest)
	c.JLE(LabelRef("one"))
	c.SUBQ(U8(8), rest)
	for _, s := range []shape{{8, 2, 6}, {8, 1, 12}} {
		if s.vectors == 1 {
			c.Label("one")
			c.TESTQ(rest, rest)
		}
		c.JEQ(LabelRef(s.label("")))
		t.loadMask(rest)
		t.heights(s, "tail")
		t.mask = nil
		t.heights(s, "")
	}
}

// tileAVX512 writes the tile of 8 rows of two or three vectors or 16 of one or half
// a vector. A mask costs nothing here, so the last vector always has one.
func tileAVX512(c *build.Context) {
	t := newTile(c, "AVX512", "8 rows of up to 48 columns or 16 of up to 16")
	t.evex = true
	t.mask = c.K()
	bits := c.GP32()
	c.MOVQ(t.columns, RCX)
	c.DECQ(RCX)
	c.ANDQ(U8(15), RCX)
	c.MOVL(U32(2), bits)
	c.SHLL(CL, bits)
	c.DECL(bits)
	c.KMOVW(bits, t.mask)
	shapes := []shape{{8, 1, 16}, {16, 1, 16}, {16, 2, 8}, {16, 3, 8}}
	for _, s := range shapes[:3] {
		c.CMPQ(t.columns, U8(uint8(s.lanes*s.vectors)))
		c.JLE(LabelRef(s.label("")))
	}
	for i := range shapes {
		t.heights(shapes[3-i], "")
	}
}

// A shape is a width of so many vectors and the most rows that it is written for.
type shape struct {
	lanes, vectors, rows int
}

func (s shape) label(kind string) string {
	return fmt.Sprintf("%swide%d", kind, s.lanes*s.vectors)
}

// line is how many elements a line of the cache has, and fetchAhead how many bytes
// before its use a row of A is fetched: the time of four lines' multiply-adds.
const (
	line       = 16
	fetchAhead = 4 * 4 * line
)

// Offsets of the fields of kernels.strip, and its size.
const (
	stripK    = 0
	stripA    = 8
	stripARow = 32
	stripACol = 40
	stripB    = 48
	stripBRow = 72
	stripSize = 80
)

// A tile holds what all bodies of a function share.
type tile struct {
	c             *build.Context
	rows, columns Register
	strips, count GPVirtual
	evex          bool
	masks         Mem // AVX2's: eight times -1, eight times 0
	mask          Op  // of the last vector, nil if it is whole
}

func newTile(c *build.Context, isa, does string) *tile {
	c.Function("tile" + isa)
	c.Attributes(build.NOSPLIT)
	c.Doc("tile" + isa + " is tile with " + isa + ": " + does + ".")
	// The strips are given as []strip; all that counts here is their address.
	c.SignatureExpr("func(rows, columns int, strips []float32, c []float32, ldc int, acc bool)")
	t := &tile{c: c}
	t.rows = c.Load(c.Param("rows"), c.GP64())
	t.columns = c.Load(c.Param("columns"), c.GP64())
	t.strips = c.Load(c.Param("strips").Base(), c.GP64()).(GPVirtual)
	t.count = c.Load(c.Param("strips").Len(), c.GP64()).(GPVirtual)
	return t
}

// loadMask loads AVX2's mask for rest+8 columns, -8 < rest < 0.
func (t *tile) loadMask(rest GPVirtual) {
	table, mask := t.c.GP64(), t.c.YMM()
	t.c.LEAQ(t.masks, table)
	t.c.NEGQ(rest)
	t.c.VMOVUPS(Mem{Base: table, Index: rest, Scale: 4}, mask)
	t.mask = mask
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
	sums := make([][]VecVirtual, h)
	for i := range sums {
		for range s.vectors {
			sum := vector()
			c.VXORPS(sum.AsY(), sum.AsY(), sum.AsY())
			sums[i] = append(sums[i], sum)
		}
	}
	output := func() []Mem {
		first := c.Load(c.Param("c").Base(), c.GP64()).(GPVirtual)
		ldc := c.Load(c.Param("ldc"), c.GP64()).(GPVirtual)
		c.SHLQ(U8(2), ldc)
		return addresses(c, first, ldc, h)
	}
	// C is fetched while the sum is made: a row in each of the first steps.
	fetches := s.vectors > 1
	var fetch, ldc GPVirtual
	left := c.GP32()
	if fetches {
		fetch = c.Load(c.Param("c").Base(), c.GP64()).(GPVirtual)
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
	k := field(stripK, false)
	a, aRow, aCol := field(stripA, false), field(stripARow, true), field(stripACol, true)
	b, bRow := field(stripB, false), field(stripBRow, true)
	rows := addresses(c, a, aRow, h)

	step := func() {
		if !t.evex && s.vectors > 1 {
			c.PREFETCHT0(Mem{Base: b, Index: bRow, Scale: 8})
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
	// A line of each row of A at a time, with one to come fetched: so many rows in turn
	// are more than what the machine notices by itself. As many columns at once as give
	// the loop 24 multiply-adds, 4 at most.
	unroll := 1
	for unroll < 4 && 2*unroll*h*s.vectors <= 24 {
		unroll *= 2
	}
	times := c.GP64()
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
	c.SUBQ(U8(line), k)
	c.JL(LabelRef(label("rest")))
	c.Label(label("line"))
	for _, row := range rows {
		c.PREFETCHT0(row.Offset(fetchAhead))
	}
	c.MOVQ(U32(uint32(line/unroll)), times)
	c.Label(label("loop"))
	for range unroll {
		step()
	}
	c.DECQ(times)
	c.JNZ(LabelRef(label("loop")))
	c.SUBQ(U8(line), k)
	c.JGE(LabelRef(label("line")))
	c.Label(label("rest"))
	c.ADDQ(U8(line), k)
	c.JZ(LabelRef(label("next")))
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
		c.JZ(LabelRef(label("next")))
	}
	c.Label(label("one"))
	step()
	c.DECQ(k)
	c.JNZ(LabelRef(label("one")))
	c.Label(label("next"))
	c.ADDQ(U8(stripSize), t.strips)
	c.DECQ(t.count)
	c.JG(LabelRef(label("strip")))

	dst := output()
	acc := c.Load(c.Param("acc"), c.GP8())
	c.TESTB(acc, acc)
	c.JZ(LabelRef(label("write")))
	for i, row := range dst {
		for v, sum := range sums[i] {
			t.add(row.Offset(4*s.lanes*v), sum, v == s.vectors-1)
		}
	}
	c.Label(label("write"))
	for i, row := range dst {
		for v, sum := range sums[i] {
			t.store(sum, row.Offset(4*s.lanes*v), v == s.vectors-1)
		}
	}
	c.VZEROUPPER()
	c.RET()
}

// load, add and store move a vector, as far as it goes if it is the last one.

func (t *tile) load(from Mem, y VecVirtual, last bool) {
	switch {
	case !last || t.mask == nil:
		t.c.VMOVUPS(from, y)
	case t.evex:
		t.c.VMOVUPS_Z(from, t.mask, y)
	default:
		t.c.VMASKMOVPS(from, t.mask, y)
	}
}

func (t *tile) add(from Mem, y VecVirtual, last bool) {
	switch {
	case !last || t.mask == nil:
		t.c.VADDPS(from, y, y)
	case t.evex:
		t.c.VADDPS(from, y, t.mask, y)
	default:
		old := t.c.YMM()
		t.c.VMASKMOVPS(from, t.mask, old)
		t.c.VADDPS(old, y, y)
	}
}

func (t *tile) store(y VecVirtual, to Mem, last bool) {
	switch {
	case !last || t.mask == nil:
		t.c.VMOVUPS(y, to)
	case t.evex:
		t.c.VMOVUPS(y, t.mask, to)
	default:
		t.c.VMASKMOVPS(y, t.mask, to)
	}
}

// fmaPeak writes a loop of independent fused multiply-adds of one vector each.
func fmaPeak(c *build.Context, isa string, sums int, vector func() VecVirtual) {
	c.Function("fmaPeak" + isa)
	c.Attributes(build.NOSPLIT)
	c.Doc(fmt.Sprintf("fmaPeak%s runs %d fused multiply-adds of a vector an iteration, at least one.", isa, sums))
	c.SignatureExpr("func(iterations int)")
	n := c.Load(c.Param("iterations"), c.GP64())
	x := vector()
	c.VXORPS(x.AsY(), x.AsY(), x.AsY())
	var all []VecVirtual
	for range sums {
		sum := vector()
		c.VXORPS(sum.AsY(), sum.AsY(), sum.AsY())
		all = append(all, sum)
	}
	c.Label("loop")
	for _, sum := range all {
		c.VFMADD231PS(x, x, sum)
	}
	c.DECQ(n)
	c.JNZ(LabelRef("loop"))
	c.VZEROUPPER()
	c.RET()
}
