package kernels

// PackBF16 packs a weight that is kept as bfloat16: the bits of [Pack] of what
// [DecodeBF16] makes of it.
//
// This and the functions below decode a few rows at a time, straight into the
// panels, which are float32 whatever the weight is kept as: 4·k·n bytes beside
// the weight itself for as long as the Packed is held. A product takes the time of
// any other. To hold no panels of a weight, pack it before each product into one
// Packed that all weights share: see [Packed.RepackNF4].
func PackBF16(op Op, k, n int, b []uint16, ldb int) *Packed {
	p := &Packed{}
	p.RepackBF16(op, k, n, b, ldb)
	return p
}

// PackF16 packs a weight that is kept as binary16: the bits of [Pack] of what
// [DecodeF16] makes of it.
func PackF16(op Op, k, n int, b []uint16, ldb int) *Packed {
	p := &Packed{}
	p.RepackF16(op, k, n, b, ldb)
	return p
}

// PackInt8 packs a weight that is kept as 8-bit integers with one scale for each
// row that b holds, k for NN and n for NT: the bits of [Pack] of what [DecodeInt8]
// makes of it.
func PackInt8(op Op, k, n int, b []int8, ldb int, scale []float32) *Packed {
	p := &Packed{}
	p.RepackInt8(op, k, n, b, ldb, scale)
	return p
}

// PackNF4 packs a weight that is kept as NF4, the B (w.Rows×w.Cols) of a product
// or, with NT, its transpose: the bits of [Pack] of what [DecodeNF4] makes of it.
func PackNF4(op Op, w *NF4Weight) *Packed {
	p := &Packed{}
	p.RepackNF4(op, w)
	return p
}

// RepackBF16 makes p what PackBF16 returns, whatever it was before, in its memory if
// that suffices. The zero Packed will do.
func (p *Packed) RepackBF16(op Op, k, n int, b []uint16, ldb int) {
	rows, cols := checkHeld("PackBF16", "b", op, k, n)
	checkMatrix("PackBF16", "b", rows, cols, b, ldb)
	p.decode(op, k, n, stored{format: BF16, words: b, ld: ldb})
}

// RepackF16 makes p what PackF16 returns. See RepackBF16.
func (p *Packed) RepackF16(op Op, k, n int, b []uint16, ldb int) {
	rows, cols := checkHeld("PackF16", "b", op, k, n)
	checkMatrix("PackF16", "b", rows, cols, b, ldb)
	p.decode(op, k, n, stored{format: F16, words: b, ld: ldb})
}

// RepackInt8 makes p what PackInt8 returns. See RepackBF16.
func (p *Packed) RepackInt8(op Op, k, n int, b []int8, ldb int, scale []float32) {
	rows, cols := checkHeld("PackInt8", "b", op, k, n)
	checkMatrix("PackInt8", "b", rows, cols, b, ldb)
	checkVector("PackInt8", "scale", rows, scale)
	p.decode(op, k, n, stored{format: Int8, bytes: b, ld: ldb, scale: scale})
}

// RepackNF4 makes p what PackNF4 returns. See RepackBF16.
func (p *Packed) RepackNF4(op Op, w *NF4Weight) {
	w.check("PackNF4")
	k, n := w.Rows, w.Cols
	if op == NT {
		k, n = n, k
	}
	checkHeld("PackNF4", "w", op, k, n)
	p.decode(op, k, n, stored{format: NF4, nf4: w})
}

// A stored is a weight in the format that it is kept in.
type stored struct {
	format Dtype
	words  []uint16
	bytes  []int8
	ld     int // of words and bytes
	scale  []float32
	nf4    *NF4Weight
	first  int // of nf4: the place of element (0, 0)
}

// decode writes the elements from (i, j) on of a row to x.
func (s *stored) decode(x []float32, i, j int) {
	switch s.format {
	case BF16:
		decodeBF16(x, s.words[i*s.ld+j:])
	case F16:
		decodeF16(x, s.words[i*s.ld+j:])
	case Int8:
		decodeInt8(x, s.bytes[i*s.ld+j:], s.scale[i])
	case NF4:
		s.nf4.decode(x, s.first+i*s.nf4.Cols+j)
	}
}

// A decoding is the packing of a stored weight as the threads share it. They are
// reused from call to call, as products are.
type decoding struct {
	stored
	op     Op
	packed *Packed
	job    func(index int) // pack, bound once
}

var decodings = reusable[decoding]{make: func() *decoding {
	d := &decoding{}
	d.job = d.pack
	return d
}}

// decode packs B (k×n), which s holds as op says, into p.
func (p *Packed) decode(op Op, k, n int, s stored) {
	p.resize(active, k, n)
	d := decodings.get()
	d.stored, d.op, d.packed = s, op, p
	Parallel(ceil(n, packColumns), d.job)
	*d = decoding{job: d.job}
	decodings.put(d)
}

// pack is one job: it packs the columns from index·packColumns on.
func (d *decoding) pack(index int) {
	first := index * packColumns
	end := min(d.packed.n, first+packColumns)
	if d.op == NT {
		d.fromRows(first, end)
	} else {
		d.fromColumns(first, end)
	}
}

// fromColumns packs columns first, …, end-1 of a B that is held as it is, a few rows
// of all of them at a time.
func (d *decoding) fromColumns(first, end int) {
	p, columns := d.packed, end-first
	wide := shapes[p.level].wide
	spare := borrow(rowsAtOnce * columns)
	defer spares.put(spare)
	for k0 := 0; k0 < p.k; k0 += rowsAtOnce {
		k := min(rowsAtOnce, p.k-k0)
		for i := range k {
			d.decode((*spare)[i*columns:][:columns], k0+i, first)
		}
		for j := first; j < end; j += wide {
			panel, width := p.panel(j)
			packPanel(p.level, panel[k0*width:], k, min(wide, end-j), width, &matrix{(*spare)[j-first:], columns, 1})
		}
	}
}

// decodedAtOnce is how many elements of each row of a panel are decoded at once:
// whole blocks of NF4, and few enough for the rows to stay in a first-level cache on
// their way into the panel.
const decodedAtOnce = 128

// fromRows packs columns first, …, end-1 of a B that is held transposed, where they
// are rows: a panel's at a time, and of those one piece of k.
func (d *decoding) fromRows(first, end int) {
	p := d.packed
	wide := shapes[p.level].wide
	spare := borrow(wide * decodedAtOnce)
	defer spares.put(spare)
	for j := first; j < end; j += wide {
		panel, width := p.panel(j)
		n := min(wide, end-j)
		for k0 := 0; k0 < p.k; k0 += decodedAtOnce {
			k := min(decodedAtOnce, p.k-k0)
			for i := range n {
				d.stored.decode((*spare)[i*k:][:k], j+i, k0)
			}
			packPanel(p.level, panel[k0*width:], k, n, width, &matrix{*spare, 1, k})
		}
	}
}
