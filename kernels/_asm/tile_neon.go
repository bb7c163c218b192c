package main

import "fmt"

func init() { neonFiles["tile_arm64.s"] = neonTiles }

// neonTiles writes the NEON tile, one body for each height and width, what
// packing needs, and the loop that measures the machine's peak.
func neonTiles(n *neon) {
	n.function("tileNEON", "func(rows, columns int, strips []strip, c []float32, ldc int, end ending)",
		"is tile with NEON: 1 to 6 rows of 16 columns or 1 to 8 rows of 8.")
	t := neonTile{neon: n}
	t.strips, t.count = n.load("strips", "_base"), n.load("strips", "_len")
	rows, columns := n.load("rows", ""), n.load("columns", "")
	n.op("CMP $8, %s", columns)
	n.op("BEQ narrow")
	t.heights(rows, 6, 4)
	n.label("narrow")
	t.heights(rows, 8, 2)
	n.end()

	n.transpose()
	n.copyRows()
	n.fmaPeak()
}

// A neonTile holds the registers that all bodies share.
type neonTile struct {
	*neon
	strips, count gp
}

// heights writes the bodies of 1 to most rows of so many vectors.
func (t neonTile) heights(rows gp, most, vectors int) {
	for h := 1; h < most; h++ {
		t.op("CMP $%d, %s", h, rows)
		t.op("BEQ tile%dx%d", h, 4*vectors)
	}
	for h := most; h >= 1; h-- {
		t.label(fmt.Sprintf("tile%dx%d", h, 4*vectors))
		t.vectors = [32]bool{}
		t.scope(func() { t.body(h, vectors) })
	}
}

// body writes the tile of h rows by so many vectors of 4 columns.
//
// How full an inner loop keeps the ports is seen without a machine: build the
// package's test for arm64, take the lines from the label to its branch (here
// packed6x16) out of llvm-objdump --disassemble-symbols=….tileNEON.abi0, and give
// them to llvm-mca -mtriple=aarch64 -mcpu=neoverse-v1, of LLVM 19 since older ones
// lack the model. A turn of 96 multiply-adds
// takes 24.06 cycles of its 4 vector ports, and 32.05 of the 3 in the model of
// apple-m1.
func (t neonTile) body(h, vectors int) {
	label := func(s string) string { return fmt.Sprintf("%s%dx%d", s, h, 4*vectors) }
	sums := make([][]vreg, h)
	for i := range sums {
		for range vectors {
			v := t.vec()
			t.zero(v)
			sums[i] = append(sums[i], v)
		}
	}
	t.scope(func() {
		for _, row := range t.output(h) {
			t.op("PRFM (%s), PLDL1KEEP", row)
		}
	})
	t.scope(func() {
		end := t.gp()
		t.op("MOVBU %s, %s", t.arg("end", ""), end)
		t.op("CMP $%d, %s", goesOn, end)
		t.op("BNE %s", label("strip"))
		for i, row := range t.output(h) {
			for v, sum := range sums[i] {
				t.op("FMOVQ %d(%s), %s", 16*v, row, sum.f())
			}
		}
	})
	t.label(label("strip"))
	t.scope(func() { t.strip(sums, label) })
	t.label(label("next"))
	t.op("ADD $%d, %s", stripSize, t.strips)
	t.op("SUBS $1, %s", t.count)
	t.op("BNE %s", label("strip"))

	dst, end := t.output(h), t.gp()
	t.op("MOVBU %s, %s", t.arg("end", ""), end)
	t.op("CMP $%d, %s", adds, end)
	t.op("BNE %s", label("write"))
	for i, row := range dst {
		old := t.vec()
		for v, sum := range sums[i] {
			t.op("FMOVQ %d(%s), %s", 16*v, row, old.f())
			t.fadd(sum, old, sum)
		}
		t.free(old)
	}
	t.label(label("write"))
	for i, row := range dst {
		for v := 0; v < vectors; v += 2 {
			t.op("FSTPQ (%s, %s), %d(%s)", sums[i][v].f(), sums[i][v+1].f(), 16*v, row)
		}
	}
	t.op("RET")
}

// output returns registers with the addresses of the rows of C.
func (t neonTile) output(h int) []gp {
	c, ldc := t.load("c", "_base"), t.load("ldc", "")
	t.op("LSL $2, %s", ldc)
	return t.rows(c, ldc, h)
}

// strip adds the product of one strip to the sums. Rows of A that are packed lie
// side by side, others a distance apart.
func (t neonTile) strip(sums [][]vreg, label func(string) string) {
	field := func(offset int, scale bool) gp {
		r := t.gp()
		t.op("MOVD %d(%s), %s", offset, t.strips, r)
		if scale {
			t.op("LSL $2, %s", r)
		}
		return r
	}
	k := field(stripK, false)
	a, aRow, aCol := field(stripA, false), field(stripARow, true), field(stripACol, true)
	b, bRow := field(stripB, false), field(stripBRow, true)
	h, vectors := len(sums), len(sums[0])

	t.op("CMP $4, %s", aRow)
	t.op("BNE %s", label("apart"))
	t.steps(label("packed"), label("next"), k, func() {
		t.step(sums, t.right(b, bRow, vectors), t.sideBySide(a, h))
		t.op("ADD %s, %s", aCol, a)
	})
	t.label(label("apart"))
	from, offset := t.rows(a, aRow, h), t.gp()
	t.op("MOVD ZR, %s", offset)
	t.steps(label("spread"), label("next"), k, func() {
		t.step(sums, t.right(b, bRow, vectors), t.apart(from, offset))
		t.op("ADD %s, %s", aCol, offset)
	})
}

// steps runs step k times, four at once, and then goes to next.
func (t neonTile) steps(name, next string, k gp, step func()) {
	const unroll = 4
	t.op("SUBS $%d, %s", unroll, k)
	t.op("BLT %sRest", name)
	t.label(name)
	for range unroll {
		step()
	}
	t.op("SUBS $%d, %s", unroll, k)
	t.op("BGE %s", name)
	t.label(name + "Rest")
	t.op("ADDS $%d, %s", unroll, k)
	t.op("BEQ %s", next)
	t.label(name + "One")
	step()
	t.op("SUBS $1, %s", k)
	t.op("BNE %sOne", name)
	t.op("JMP %s", next)
}

// step adds one row of B times one column of A, given by its row, to the sums.
func (t neonTile) step(sums [][]vreg, b []vreg, a func(row int) element) {
	for i, row := range sums {
		x := a(i)
		for v, sum := range row {
			t.fmlaBy(sum, b[v], x)
		}
	}
	t.vectors = [32]bool{}
	for _, row := range sums {
		for _, sum := range row {
			t.vectors[sum] = true
		}
	}
}

// right reads a row of B.
func (t neonTile) right(b, bRow gp, vectors int) []vreg {
	vs := make([]vreg, vectors)
	for v := range vs {
		vs[v] = t.vec()
	}
	for v := 0; v < vectors; v += 2 {
		t.op("FLDPQ %d(%s), (%s, %s)", 16*v, b, vs[v].f(), vs[v+1].f())
	}
	t.op("ADD %s, %s", bRow, b)
	return vs
}

// sideBySide reads a column of h elements of A that follow one another, by
// fours, twos and ones, and nothing behind them.
func (t neonTile) sideBySide(a gp, h int) func(row int) element {
	var column []element
	for at := 0; at < h; {
		v, size, load := t.vec(), 1, "FMOVS"
		switch {
		case h-at >= 4:
			size, load = 4, "FMOVQ"
		case h-at >= 2:
			size, load = 2, "FMOVD"
		}
		t.op("%s %d(%s), %s", load, 4*at, a, v.f())
		for lane := range size {
			column = append(column, element{v, lane})
		}
		at += size
	}
	return func(row int) element { return column[row] }
}

// apart reads the elements of a column one by one as they are needed, into the
// registers that are left, in turn.
func (t neonTile) apart(from []gp, offset gp) func(row int) element {
	var left []vreg
	for v, used := range t.vectors {
		if !used {
			left = append(left, vreg(v))
		}
	}
	return func(row int) element {
		v := left[row%len(left)]
		t.op("FMOVS (%s)(%s), %s", from[row], offset, v.f())
		return element{v, 0}
	}
}

// rows returns registers with the addresses of h rows.
func (n *neon) rows(base, ld gp, h int) []gp {
	rows := []gp{base}
	for range h - 1 {
		r := n.gp()
		n.op("ADD %s, %s, %s", ld, rows[len(rows)-1], r)
		rows = append(rows, r)
	}
	return rows
}

// fmaPeak writes a loop of 24 independent fused multiply-adds of 4 elements.
func (n *neon) fmaPeak() {
	n.function("fmaPeakNEON", "func(iterations int)",
		"runs 24 fused multiply-adds of 4 elements an iteration, at least one.")
	count, x := n.load("iterations", ""), n.vec()
	n.zero(x)
	var sums []vreg
	for range 24 {
		v := n.vec()
		n.zero(v)
		sums = append(sums, v)
	}
	n.label("loop")
	for _, sum := range sums {
		n.fmla(sum, x, x)
	}
	n.op("SUBS $1, %s", count)
	n.op("BNE loop")
	n.op("RET")
	n.end()
}
