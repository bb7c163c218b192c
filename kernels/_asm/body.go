package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// heights writes the bodies of a shape and the search for the one of t.rows.
func (t *tile) heights(s shape, kind string) {
	t.c.Label(s.label(kind))
	t.search(t.rows, 1, s.rows, s.label(kind), func(h int) { t.body(s, kind, h) })
}

// search branches by halves to one of the bodies low to high, which n tells.
func (t *tile) search(n Op, low, high int, name string, body func(n int)) {
	if low == high {
		body(low)
		return
	}
	middle := (low + high) / 2
	label := fmt.Sprintf("%sover%d", name, middle)
	t.c.CMPQ(n, U8(uint8(middle)))
	t.c.JG(LabelRef(label))
	t.search(n, low, middle, name, body)
	t.c.Label(label)
	t.search(n, middle+1, high, name, body)
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

	var below GPVirtual // what is fetched of A lies so far from what is read
	step := func(fetched []Register) {
		for _, base := range fetched {
			c.PREFETCHT0(Mem{Base: base, Index: below, Scale: 1})
		}
		if s.vectors > 1 && !long {
			// The rows of B that come soon, which lie in the second-level cache, and of a
			// stream those that come later.
			for v := 0; v < s.vectors*s.lanes; v += line {
				c.PREFETCHT0(Mem{Base: b, Index: bRow, Scale: 8, Disp: 4 * v})
				c.PREFETCHT1(Mem{Base: b, Index: ahead, Scale: 4, Disp: 4 * v})
			}
		}
		if long {
			x := vector()
			c.VBROADCASTSS(rows[0], x)
			for v, sum := range sums[0] {
				y := Mem{Base: b}.Offset(4 * s.lanes * v)
				switch last := v == s.vectors-1; {
				case last && t.evex:
					c.VFMADD231PS(y, x, t.mask, sum)
				case last && t.mask != nil:
					part := vector()
					t.load(y, part, true)
					c.VFMADD231PS(part, x, sum)
				default:
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
		step(nil)
		c.DECQ(k)
		c.JZ(LabelRef(label("next")))
		c.DECL(left)
		c.JNZ(LabelRef(label("fetch")))
		c.Label(label("fetched"))
	}
	// The rows of A for the tiles below are fetched while those of this height go by: one
	// row in each of them, of every base. How many tiles went by is done over the columns
	// of one, a division by 16, 32 or 48 as a product of 16 bits behind the point. Rows in
	// one set of the first-level cache would drive out those that are read: there these are
	// fetched, for nothing.
	each := make([][]Register, unroll)
	if s.vectors > 1 && !long {
		below = c.GP64()
		c.MOVQ(t.done, below)
		c.IMUL3Q(U32(uint32(1<<16/(s.vectors*s.lanes)+1)), below, below)
		c.SHRQ(U8(16), below)
		c.ADDQ(U8(uint8(h)), below)
		c.IMULQ(aRow, below)
		c.TESTQ(U32(4095), aRow)
		c.CMOVQEQ(left.As64(), below)
		for i, base := range bases(rows) {
			each[i%unroll] = append(each[i%unroll], base)
		}
	}
	if unroll > 1 {
		c.SUBQ(U8(uint8(unroll)), k)
		c.JL(LabelRef(label("fewer")))
		c.Label(label("some"))
		for i := range unroll {
			step(each[i])
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
	step(each[0])
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
