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
	dotTilesAVX2(c)
	dotTilesAVX512(c)
	fmaPeak(c, "AVX2", 12, c.YMM)
	fmaPeak(c, "AVX512", 24, c.ZMM)
}

// tileAVX2 writes tiles of 6 rows of two vectors or 12 of one. Masks are vectors here,
// and a masked store is slow: a whole last vector has bodies of its own. One row alone has
// longer tiles.
func tileAVX2(c *build.Context, masks Mem) {
	t := newTile(c, "AVX2", "6 rows of up to 16 columns, 12 of up to 8 or one of up to 104")
	t.masks = masks
	wide, narrow := shape{8, 2, 6}, shape{8, 1, 12}
	t.sums = vectors(c.YMM, 13)
	t.ifOneRow("row")
	c.Label("tiles")
	t.narrowIfOver(wide.rows)
	t.ifColumns(c.JGE, 16, wide.label(""))
	t.ifColumns(c.JLE, 8, "narrow")
	t.loadMask()
	t.heights(wide, "tail")
	t.mask = nil
	t.heights(wide, "")
	c.Label("narrow")
	t.ifColumns(c.JGE, 8, narrow.label(""))
	t.loadMask()
	t.heights(narrow, "tail")
	t.mask = nil
	t.heights(narrow, "")
	t.longRow(8, 13, "tiles")
	t.end()
}

// tileAVX512 writes tiles of 8 rows of two or three vectors or 16 of one or half a
// vector. A mask costs nothing here, so the last vector always has one. Half a vector
// more than one or two is a tile of its own. One row alone has longer tiles.
func tileAVX512(c *build.Context) {
	t := newTile(c, "AVX512", "8 rows of up to 48 columns, 16 of up to 16 or one of up to 144")
	t.evex = true
	mask := c.K()
	t.mask = mask
	half, one, two, three := shape{8, 1, 16}, shape{16, 1, 16}, shape{16, 2, 8}, shape{16, 3, 8}
	t.sums = vectors(c.ZMM, 24)
	t.ifOneRow("row")
	c.Label("tiles")
	t.narrowIfOver(three.rows)
	t.ifColumns(c.JLE, 24, "narrow")
	t.ifColumns(c.JGE, 48, "whole")
	t.firstLanes(mask)
	t.ifColumns(c.JLE, 32, two.label(""))
	t.ifColumns(c.JG, 40, three.label(""))
	t.allLanes(mask)
	c.JMP(LabelRef(two.label("")))
	c.Label("whole")
	t.allLanes(mask)
	t.heights(three, "")
	t.heights(two, "")
	c.Label("narrow")
	t.firstLanes(mask)
	t.ifColumns(c.JLE, 8, half.label(""))
	t.ifColumns(c.JLT, 16, one.label(""))
	t.allLanes(mask)
	t.heights(one, "")
	t.heights(half, "")
	t.longRow(16, 9, "tiles")
	t.end()
}

// narrowIfOver goes to the narrow tiles if there are more rows than the wide have.
func (t *tile) narrowIfOver(rows int) {
	t.c.CMPQ(t.rows, U8(uint8(rows)))
	t.c.JG(LabelRef("narrow"))
}

// ifOneRow goes to the tiles of one row alone.
func (t *tile) ifOneRow(label string) {
	t.c.CMPQ(t.rows, U8(1))
	t.c.JEQ(LabelRef(label))
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
	t.begin()
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
