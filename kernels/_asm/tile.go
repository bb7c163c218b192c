package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func init() { generators["tile_amd64.s"] = tiles }

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

// tiles writes the AVX2 tile, one body for each height and width, what packing
// needs, and the loop that measures the machine's peak.
func tiles(c *build.Context) {
	c.Function("tileAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("tileAVX2 is tile with AVX2 and FMA: 1 to 6 rows of 16 or 8 columns.")
	// The strips are given as []strip; all that counts here is their address.
	c.SignatureExpr("func(rows, width int, strips []float32, c []float32, ldc int, acc bool)")

	t := tile{c: c}
	t.strips = c.Load(c.Param("strips").Base(), c.GP64()).(GPVirtual)
	t.count = c.Load(c.Param("strips").Len(), c.GP64()).(GPVirtual)
	t.dst = c.Load(c.Param("c").Base(), c.GP64()).(GPVirtual)
	t.ldc = c.Load(c.Param("ldc"), c.GP64()).(GPVirtual)
	c.SHLQ(U8(2), t.ldc)
	rows := c.Load(c.Param("rows"), c.GP64())
	width := c.Load(c.Param("width"), c.GP64())

	c.CMPQ(width, U8(8))
	c.JEQ(LabelRef("narrow"))
	for _, vectors := range []int{2, 1} {
		if vectors == 1 {
			c.Label("narrow")
		}
		for h := 5; h >= 1; h-- {
			c.CMPQ(rows, U8(uint8(h)))
			c.JEQ(LabelRef(fmt.Sprintf("tile%dx%d", h, 8*vectors)))
		}
		for h := 6; h >= 1; h-- {
			c.Label(fmt.Sprintf("tile%dx%d", h, 8*vectors))
			t.body(h, vectors)
		}
	}

	transpose(c)
	copyRows(c)
	fmaPeak(c)
}

// A tile holds the registers that all bodies share.
type tile struct {
	c                       *build.Context
	strips, count, dst, ldc GPVirtual
}

// body writes the tile of h rows by so many vectors of 8 columns.
func (t tile) body(h, vectors int) {
	c := t.c
	label := func(s string) string { return fmt.Sprintf("%s%dx%d", s, h, 8*vectors) }

	sums := make([][]VecVirtual, h)
	for i := range sums {
		for range vectors {
			sum := c.YMM()
			c.VXORPS(sum, sum, sum)
			sums[i] = append(sums[i], sum)
		}
	}
	dst := addresses(c, t.dst, t.ldc, h)
	for _, row := range dst {
		c.PREFETCHT0(row)
	}

	c.Label(label("strip"))
	c.TESTQ(t.count, t.count)
	c.JZ(LabelRef(label("store")))
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
		var bs []VecVirtual
		for v := range vectors {
			y := c.YMM()
			c.VMOVUPS(Mem{Base: b}.Offset(32*v), y)
			bs = append(bs, y)
		}
		for i, row := range rows {
			x := c.YMM()
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
	const unroll = 4
	c.SUBQ(U8(unroll), k)
	c.JL(LabelRef(label("rest")))
	c.Label(label("loop"))
	for range unroll {
		step()
	}
	c.SUBQ(U8(unroll), k)
	c.JGE(LabelRef(label("loop")))
	c.Label(label("rest"))
	c.ADDQ(U8(unroll), k)
	c.JZ(LabelRef(label("next")))
	c.Label(label("one"))
	step()
	c.DECQ(k)
	c.JNZ(LabelRef(label("one")))
	c.Label(label("next"))
	c.ADDQ(U8(stripSize), t.strips)
	c.DECQ(t.count)
	c.JMP(LabelRef(label("strip")))

	c.Label(label("store"))
	acc := c.Load(c.Param("acc"), c.GP8())
	c.TESTB(acc, acc)
	c.JZ(LabelRef(label("write")))
	for i, row := range dst {
		for v, sum := range sums[i] {
			c.VADDPS(row.Offset(32*v), sum, sum)
		}
	}
	c.Label(label("write"))
	for i, row := range dst {
		for v, sum := range sums[i] {
			c.VMOVUPS(sum, row.Offset(32*v))
		}
	}
	c.VZEROUPPER()
	c.RET()
}

// fmaPeak writes a loop of 12 independent fused multiply-adds of 8 elements.
func fmaPeak(c *build.Context) {
	c.Function("fmaPeakAVX2")
	c.Attributes(build.NOSPLIT)
	c.Doc("fmaPeakAVX2 runs 12 fused multiply-adds of 8 elements an iteration, at least one.")
	c.SignatureExpr("func(iterations int)")
	n := c.Load(c.Param("iterations"), c.GP64())
	x := c.YMM()
	c.VXORPS(x, x, x)
	var sums []VecVirtual
	for range 12 {
		sum := c.YMM()
		c.VXORPS(sum, sum, sum)
		sums = append(sums, sum)
	}
	c.Label("loop")
	for _, sum := range sums {
		c.VFMADD231PS(x, x, sum)
	}
	c.DECQ(n)
	c.JNZ(LabelRef("loop"))
	c.VZEROUPPER()
	c.RET()
}
