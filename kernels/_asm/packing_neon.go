package main

import "fmt"

// transpose writes the NEON transposition that packing needs, one body for each
// number of rows.
func (n *neon) transpose() {
	n.function("transposeNEON", "func(rows, k int, src []float32, ld int, dst []float32, step int)",
		"is transpose with NEON, of k columns, a multiple of 4 and not 0.")
	rows, k := n.load("rows", ""), n.load("k", "")
	src, ld := n.load("src", "_base"), n.load("ld", "")
	dst, step := n.load("dst", "_base"), n.load("step", "")
	n.op("LSL $2, %s", ld)
	n.op("LSL $2, %s", step)
	for h := 1; h < 8; h++ {
		n.op("CMP $%d, %s", h, rows)
		n.op("BEQ rows%d", h)
	}
	for h := 8; h >= 1; h-- {
		n.label(fmt.Sprintf("rows%d", h))
		n.vectors = [32]bool{}
		n.scope(func() {
			from := n.rows(src, ld, h)
			n.label(fmt.Sprintf("loop%d", h))
			var columns [4][]vreg
			for first := 0; first < h; first += 4 {
				for j, v := range n.square(from[first:min(first+4, h)]) {
					columns[j] = append(columns[j], v)
				}
			}
			for _, column := range columns {
				for i, v := range column {
					n.op("FMOVQ %s, %d(%s)", v.f(), 16*i, dst)
				}
				n.op("ADD %s, %s", step, dst)
			}
			n.op("SUBS $4, %s", k)
			n.op("BNE loop%d", h)
			n.op("RET")
		})
	}
	n.end()
}

// square reads four elements of up to four rows, and steps on, and returns the
// columns, with zeros for rows that are not there.
func (n *neon) square(from []gp) (columns [4]vreg) {
	var r [4]vreg
	for i := range r {
		r[i] = n.vec()
		if i < len(from) {
			n.op("FMOVQ.P 16(%s), %s", from[i], r[i].f())
		} else {
			n.zero(r[i])
		}
	}
	for half := range 2 {
		even, odd := n.zip(half+1, "S4", r[0], r[2]), n.zip(half+1, "S4", r[1], r[3])
		columns[2*half], columns[2*half+1] = n.zip(1, "S4", even, odd), n.zip(2, "S4", even, odd)
	}
	return columns
}

// copyRows writes the NEON copy of rows that packing needs, one body for each
// whole width that tiles come in.
func (n *neon) copyRows() {
	n.function("copyRowsNEON", "func(rows, columns int, src []float32, ld int, dst []float32, step int)",
		"is copyRows with NEON, of at least one row of 16, 8 or 6 columns.")
	rows, columns := n.load("rows", ""), n.load("columns", "")
	src, ld := n.load("src", "_base"), n.load("ld", "")
	dst, step := n.load("dst", "_base"), n.load("step", "")
	n.op("LSL $2, %s", ld)
	n.op("LSL $2, %s", step)
	for _, w := range []int{8, 6} {
		n.op("CMP $%d, %s", w, columns)
		n.op("BEQ columns%d", w)
	}
	for _, w := range []int{16, 8, 6} {
		n.label(fmt.Sprintf("columns%d", w))
		for _, access := range []string{"FMOVQ %[1]d(%[2]s), %[4]s", "FMOVQ %[4]s, %[1]d(%[3]s)"} {
			for i := range w / 4 {
				n.op(access, 16*i, src, dst, vreg(i).f())
			}
			if w%4 == 2 {
				n.op("FMOVD"+access[5:], 4*w-8, src, dst, vreg(w/4).f())
			}
		}
		n.op("ADD %s, %s", ld, src)
		n.op("ADD %s, %s", step, dst)
		n.op("SUBS $1, %s", rows)
		n.op("BNE columns%d", w)
		n.op("RET")
	}
	n.end()
}
