package kernels

// PackBF16 packs a weight that is kept as bfloat16: the bits of [Pack] of what
// [DecodeBF16] makes of it.
//
// This and the functions below decode a few rows at a time, straight into the
// panels, which are float32 whatever the weight is kept as: 4·k·n bytes beside
// the weight itself for as long as the Packed is held. A product takes the time of
// any other. To hold no panels, pack before a product and drop them after it.
func PackBF16(op Op, k, n int, b []uint16, ldb int) *Packed {
	rows, cols := checkHeld("PackBF16", "b", op, k, n)
	checkMatrix("PackBF16", "b", rows, cols, b, ldb)
	return packDecoded(op, k, n, func(x []float32, i, j int) {
		DecodeBF16(x, b[i*ldb+j:][:len(x)])
	})
}

// PackF16 packs a weight that is kept as binary16: the bits of [Pack] of what
// [DecodeF16] makes of it.
func PackF16(op Op, k, n int, b []uint16, ldb int) *Packed {
	rows, cols := checkHeld("PackF16", "b", op, k, n)
	checkMatrix("PackF16", "b", rows, cols, b, ldb)
	return packDecoded(op, k, n, func(x []float32, i, j int) {
		DecodeF16(x, b[i*ldb+j:][:len(x)])
	})
}

// PackInt8 packs a weight that is kept as 8-bit integers with one scale for each
// row that b holds, k for NN and n for NT: the bits of [Pack] of what [DecodeInt8]
// makes of it.
func PackInt8(op Op, k, n int, b []int8, ldb int, scale []float32) *Packed {
	rows, cols := checkHeld("PackInt8", "b", op, k, n)
	checkMatrix("PackInt8", "b", rows, cols, b, ldb)
	checkVector("PackInt8", "scale", rows, scale)
	return packDecoded(op, k, n, func(x []float32, i, j int) {
		decodeInt8(x, b[i*ldb+j:], scale[i])
	})
}

// PackNF4 packs a weight that is kept as NF4, the B (w.Rows×w.Cols) of a product
// or, with NT, its transpose: the bits of [Pack] of what [DecodeNF4] makes of it.
func PackNF4(op Op, w *NF4Weight) *Packed {
	w.check("PackNF4")
	k, n := w.Rows, w.Cols
	if op == NT {
		k, n = n, k
	}
	checkHeld("PackNF4", "w", op, k, n)
	return packDecoded(op, k, n, func(x []float32, i, j int) {
		w.decode(x, i*w.Cols+j)
	})
}

// packDecoded packs B (k×n), held as op says, by way of decode, which writes the
// elements from (i, j) on of a row of what is held to x.
func packDecoded(op Op, k, n int, decode func(x []float32, i, j int)) *Packed {
	p := &Packed{}
	p.resize(active, k, n)
	Parallel(ceil(n, packColumns), func(index int) {
		first := index * packColumns
		end := min(n, first+packColumns)
		if op == NT {
			p.fillFromRows(first, end, decode)
		} else {
			p.fillFromColumns(first, end, decode)
		}
	})
	return p
}

// fillFromColumns packs columns first, …, end-1 of a B that is held as it is, a few
// rows of all of them at a time.
func (p *Packed) fillFromColumns(first, end int, decode func(x []float32, i, j int)) {
	wide, columns := shapes[p.level].wide, end-first
	spare := borrow(rowsAtOnce * columns)
	defer spares.put(spare)
	for k0 := 0; k0 < p.k; k0 += rowsAtOnce {
		k := min(rowsAtOnce, p.k-k0)
		for i := range k {
			decode((*spare)[i*columns:][:columns], k0+i, first)
		}
		for j := first; j < end; j += wide {
			panel, width := p.panel(j)
			packPanel(p.level, panel[k0*width:], k, min(wide, end-j), width, matrix{(*spare)[j-first:], columns, 1})
		}
	}
}

// fillFromRows packs columns first, …, end-1 of a B that is held transposed, where
// they are rows: a panel's at a time, and of those one piece of k.
func (p *Packed) fillFromRows(first, end int, decode func(x []float32, i, j int)) {
	wide := shapes[p.level].wide
	spare := borrow(wide * kc)
	defer spares.put(spare)
	for j := first; j < end; j += wide {
		panel, width := p.panel(j)
		n := min(wide, end-j)
		for k0 := 0; k0 < p.k; k0 += kc {
			k := min(kc, p.k-k0)
			for i := range n {
				decode((*spare)[i*k:][:k], j+i, k0)
			}
			packPanel(p.level, panel[k0*width:], k, n, width, matrix{*spare, 1, k})
		}
	}
}
