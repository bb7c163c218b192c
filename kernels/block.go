package kernels

// The buffers are what one job needs beside the operands.
type buffers struct {
	a, b, q []float32
	c, sums []float32 // of a stream
	strips  []strip
	tile    [2]strip // a part of them
	edge    [maxRows * maxWide]float32
}

var bufferSets = reusable[buffers]{make: func() *buffers { return new(buffers) }}

// A blocking says how the loops of a block are cut: the sum over k into groups of
// so many pieces of kc, C into groups of n columns and those into tiles.
type blocking struct {
	k, n    int
	most    int        // rows of a tile
	shape   shape      // with wide the columns of a tile
	parts   [2]columns // of the group of columns
	packA   bool       // for the second-level cache, since many groups of columns read it
	inPlace bool       // B is not packed
}

// blocking returns how to compute m rows and n columns of C.
func (g *product) blocking(m, n int) blocking {
	s := shapes[g.level]
	b := blocking{k: kc, shape: s}
	if g.packed == nil && !g.turned && !g.a.oneSet() {
		b.shape.wide = s.step(m, &g.b)
	}
	step := b.shape.wide
	b.n, b.most = step, s.most(min(step, n), g.k+g.r)
	if g.turned {
		b.most = maxRows
	}
	switch {
	case m <= b.most || g.turned:
		// One row of tiles: B is read from end to end.
		b.k = max(g.k, kc)
	case n <= 4*s.wide || 4*kc*n <= machine.L2/2:
		// Half of the second-level cache holds these columns of a piece of k, maybe of
		// more: rows of A are read once, where they lie, in runs as long as can be.
		b.n, b.k = n, max(2, machine.L2/2/(4*kc*n))*kc
	default:
		// As many panels as a third of the second-level cache holds: there they stay
		// while the rows of A go by.
		b.n = max(1, machine.L2/3/(4*max(1, min(kc, g.k+g.r))*step)) * step
		b.packA = g.a.col != 1 || g.a.oneSet()
	}
	if g.a.oneSet() && !b.packA {
		b.most = min(b.most, mostOfOneSet)
	}
	b.inPlace = g.inPlace(m, b.most)
	return b
}

// inPlaceRows is up to how many rows of C reading B's rows where they lie, once for
// each tile, costs less than packing them.
const inPlaceRows = 64

// inPlace tells whether B is read where it is: if that is along its rows, and
// only a few times or in the first-level cache.
func (g *product) inPlace(m, most int) bool {
	if g.packed != nil || g.b.col != 1 || !shapes[g.level].masked {
		return false
	}
	return m <= most || m <= inPlaceRows && !g.b.fewSets() || 4*g.k*g.b.row <= machine.L1D
}

// block is one job: it computes one block of C in the manner of BLIS, for each
// group of pieces of k and of columns the tiles from top to bottom.
func (g *product) block(index int) {
	i0, j0 := index/g.columnBlocks*g.mc, index%g.columnBlocks*g.nc
	i1, j1 := min(i0+g.mc, g.m), min(j0+g.nc, g.n)
	b := g.blocking(i1-i0, j1-j0)
	if g.bias != nil {
		for i := i0; i < i1; i++ {
			copy(g.c[i*g.ldc+j0:i*g.ldc+j1], g.bias[j0:])
		}
	}
	w := bufferSets.get()
	if b.packA {
		atLeast(&w.a, (i1-i0)*(kc+transposeSlack))
	}
	for k0 := 0; k0 == 0 || k0 < g.k; k0 += b.k {
		k1 := min(k0+b.k, g.k)
		for js := j0; js < j1; js += b.n {
			je := min(js+b.n, j1)
			b.parts = b.shape.parts(js, je)
			g.right(w, &b, k0, k1, js, je)
			if b.packA && js == j0 {
				g.left(w, b.most, i0, i1, k0, k1-k0)
			}
			for i, h := i0, 0; i < i1; i += h {
				h = height(i1-i, b.most)
				g.tiles(w, &b, i0, i, h, k0, k1)
			}
		}
	}
	clear(w.strips)
	clear(w.tile[:])
	bufferSets.put(w)
}

// left packs rows i0, …, i1-1 and k columns of A from k0 on, a tile's rows at once. If
// A is held transposed it is read from end to end: of each column the rows of all whole
// tiles are copied to where these are packed.
func (g *product) left(w *buffers, most, i0, i1, k0, k int) {
	if k == 0 {
		return // A may be empty whatever its distances are
	}
	i := i0
	if g.a.row == 1 {
		for i1-i >= 2*most || i1-i == most {
			i += most
		}
		for p := 0; p < k && i > i0; p++ {
			copyRows(g.level, (i-i0)/most, most, g.a.at(i0, k0+p).x, most, w.a[p*most:], most*(k+transposeSlack))
		}
	}
	for h := 0; i < i1; i += h {
		h = height(i1-i, most)
		a := g.a.at(i, k0).transposed()
		packPanel(g.level, w.a[(i-i0)*(k+transposeSlack):], k, h, h, &a)
	}
}

// right makes the strips of rows k0, …, k1-1 and columns j0, …, j1-1 of B, without
// their left sides: for each piece of k two of the whole panels and two of what is
// left, with the second for Q behind the last row. It packs what is not packed and not
// to be read in place.
func (g *product) right(w *buffers, b *blocking, k0, k1, j0, j1 int) {
	padded := b.shape.padded(j1 - j0)
	w.strips = w.strips[:0]
	if g.packed == nil && !b.inPlace {
		atLeast(&w.b, (k1-k0)*padded+transposeSlack)
	}
	if g.r > 0 {
		atLeast(&w.q, g.r*padded+transposeSlack)
	}
	for p := k0; p == k0 || p < k1; p += kc {
		k := min(kc, k1-p)
		for _, part := range b.parts {
			x, q := strip{k: k, bcol: 1}, strip{k: g.r, bcol: 1}
			width := b.shape.width(part.to - part.from)
			switch {
			case k == 0 || part.from == part.to:
			case g.packed != nil:
				x.b, x.brow, x.bcol = g.packed.buf[part.from*g.packed.k+p*width:], width, g.packed.k
			case b.inPlace:
				from := g.b.at(p, part.from)
				x.b, x.brow = from.x, from.row
			default:
				x.b, x.brow, x.bcol = w.b[(part.from-j0)*(k1-k0)+(p-k0)*width:], width, k1-k0
				from := g.b.at(p, part.from)
				packPanels(g.level, &x, b.shape.wide, part.to-part.from, k, &from)
			}
			if g.r > 0 && p+k == g.k && part.from < part.to {
				q.b, q.brow, q.bcol = w.q[(part.from-j0)*g.r:], width, g.r
				from := g.q.at(0, part.from)
				packPanels(g.level, &q, b.shape.wide, part.to-part.from, g.r, &from)
			}
			if part.to-part.from < b.shape.wide {
				x.bcol, q.bcol = 1, 1 // a panel alone
			}
			w.strips = append(w.strips, x, q)
		}
	}
}

// A columns is a part of the columns of C.
type columns struct{ from, to int }

// parts returns the columns of whole tiles and those of the last one, if it is not.
func (s *shape) parts(from, to int) [2]columns {
	whole := from + (to-from)/s.wide*s.wide
	return [2]columns{{from, whole}, {whole, to}}
}

// packPanels packs b (k×n) into the panels of a strip, each of step columns.
func packPanels(l Level, to *strip, step, n, k int, b *matrix) {
	part := matrix{row: b.row, col: b.col}
	for j := 0; j < n; j += step {
		part.x = b.x[j*b.col:]
		packPanel(l, to.b[j*to.bcol:], k, min(step, n-j), to.brow, &part)
	}
}

// tiles computes the tiles of rows i, …, i+h-1 and a group of columns of C over rows
// k0, …, k1-1 of B.
func (g *product) tiles(w *buffers, b *blocking, i0, i, h, k0, k1 int) {
	at := 0
	for p := k0; p == k0 || p < k1; p += kc {
		left := matrix{w.a, 1, h}
		last := min(p+kc, k1) == g.k
		switch {
		case k0 == k1:
		case b.packA:
			left.x = left.x[(i-i0)*(k1-k0+transposeSlack):]
		default:
			left = g.a.at(i, p)
		}
		for _, part := range b.parts {
			strips := w.strips[at : at+1]
			at += 2
			if part.from == part.to {
				continue
			}
			strips[0].a, strips[0].arow, strips[0].acol = left.x, left.row, left.col
			if g.r > 0 && last {
				u := g.u.at(i, 0)
				strips = w.strips[at-2 : at]
				strips[1].a, strips[1].arow, strips[1].acol = u.x, u.row, u.col
			}
			if whole := part.to-part.from >= b.shape.wide; !g.turned && (whole || b.shape.masked) {
				tiles(g.level, h, part.to-part.from, strips, g.c[i*g.ldc+part.from:], g.ldc, endingOf(g.acc || p > 0))
				continue
			}
			for j := part.from; j < part.to; j += maxWide {
				w.tile = tileAt(strips, j-part.from)
				g.aside(w, w.tile[:len(strips)], i, j, h, min(maxWide, part.to-j), p == 0, last)
			}
		}
	}
}

// aside computes tiles that are no direct part of C, of up to maxRows rows and maxWide
// columns.
func (g *product) aside(w *buffers, strips []strip, i, j, h, columns int, first, last bool) {
	s, acc := &shapes[g.level], g.acc || !first
	if !g.turned {
		tiles(g.level, h, s.width(columns), strips, w.edge[:], maxWide, stores)
		storeEdge(h, columns, w.edge[:], maxWide, g.c[i*g.ldc+j:], g.ldc, acc)
		return
	}
	// The elements of C lie far apart: they are read and written once.
	c := g.c[j*g.ldc+i:]
	if first && g.acc {
		transposeGeneric(columns, h, c, g.ldc, w.edge[:], maxWide)
	}
	for top, rows := 0, 0; top < h; top += rows {
		rows = height(h-top, s.rows)
		tiles(g.level, rows, columns, strips, w.edge[top*maxWide:], maxWide, endingOf(acc))
		if strips[0].k > 0 {
			strips[0].a = strips[0].a[min(rows*strips[0].arow, len(strips[0].a)):]
		}
	}
	if last {
		storeTurned(g.level, h, columns, w.edge[:], maxWide, c, g.ldc)
	}
}

// storeEdge stores or adds so many columns of a tile, whose rows are step elements apart,
// at the right edge of C.
func storeEdge(rows, columns int, edge []float32, step int, c []float32, ldc int, acc bool) {
	for i := range rows {
		to, from := c[i*ldc:][:columns], edge[i*step:][:columns]
		if !acc {
			copy(to, from)
			continue
		}
		for j := range to {
			to[j] += from[j]
		}
	}
}

// storeTurned stores a tile of rows×columns of Cᵀ in C. What a transposition writes
// behind the rows' elements must be what is written next.
func storeTurned(l Level, rows, columns int, tile []float32, step int, c []float32, ldc int) {
	alone := columns // the last ones, stored one by one
	switch rows {
	case 8:
		alone = 0
	case ldc:
		alone = min(columns, ceil(8, rows)-1)
	}
	at := columns - alone
	if at > 0 {
		transpose(l, rows, at, tile, step, c, ldc)
	}
	if alone > 0 {
		transposeGeneric(rows, alone, tile[at:], step, c[at*ldc:], ldc)
	}
}
