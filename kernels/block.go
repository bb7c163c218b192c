package kernels

// The buffers are what one job needs beside the operands.
type buffers struct {
	a, b, q []float32
	strips  []strip
	edge    [maxRows * maxWide]float32
}

var bufferSets = reusable[buffers]{make: func() *buffers { return new(buffers) }}

// A blocking says how the loops of a block are cut: the sum over k into groups of
// so many pieces of kc, C into groups of n columns and those into tiles.
type blocking struct {
	k, n    int
	most    int   // rows of a tile
	shape   shape // with wide the columns of a tile
	packA   bool  // for the second-level cache, since many groups of columns read it
	inPlace bool  // B is not packed
}

// blocking returns how to compute m rows and n columns of C.
func (g *product) blocking(m, n int) blocking {
	s := shapes[g.level]
	b := blocking{k: kc, shape: s}
	if g.packed == nil {
		b.shape.wide = s.step(m)
	}
	step := b.shape.wide
	b.n, b.most = step, s.most(min(step, n))
	switch {
	case m <= b.most || g.turned:
		// One row of tiles: B is read from end to end.
		b.k = max(g.k, kc)
	case n < 4*s.wide:
		b.n = n
		if b.k = max(g.k, kc); g.packed == nil {
			b.k = max(1, machine.L2/2/(4*kc*n)) * kc
		}
	default:
		// As many panels as a quarter of the second-level cache holds: there they stay
		// while the rows of A go by.
		b.n = max(1, machine.L2/4/(4*max(1, min(kc, g.k+g.r))*step)) * step
		b.packA = g.a.col != 1 || g.a.row%1024 == 0
	}
	if g.a.col == 1 && g.a.row%1024 == 0 && !b.packA {
		// The rows of a tile fall into one set of a first-level cache of eight ways.
		b.most = min(b.most, 7)
	}
	b.inPlace = g.inPlace(m, b.most)
	return b
}

// inPlaceRows is up to how many rows of C reading B's rows where they lie, once for
// each tile, costs less than packing them.
const inPlaceRows = 64

// inPlace tells whether B is read where it is: if that is along its rows, and
// only a few times or in the first-level cache. Rows at a large power of two would
// fall into few sets of the caches.
func (g *product) inPlace(m, most int) bool {
	if g.packed != nil || g.b.col != 1 || !shapes[g.level].masked {
		return false
	}
	return m <= most || m <= inPlaceRows && g.b.row%512 != 0 || 4*g.k*g.b.row <= machine.L1D
}

// block is one job: it computes one block of C in the manner of BLIS, for each
// group of pieces of k and of columns the tiles from top to bottom.
func (g *product) block(index int) {
	i0, j0 := index%g.rowBlocks*g.mc, index/g.rowBlocks*g.nc
	i1, j1 := min(i0+g.mc, g.m), min(j0+g.nc, g.n)
	b := g.blocking(i1-i0, j1-j0)
	w := bufferSets.get()
	if b.packA {
		atLeast(&w.a, (i1-i0)*(kc+transposeSlack))
	}
	for k0 := 0; k0 == 0 || k0 < g.k; k0 += b.k {
		k1 := min(k0+b.k, g.k)
		for js := j0; js < j1; js += b.n {
			je := min(js+b.n, j1)
			g.right(w, b, k0, k1, js, je)
			if b.packA && js == j0 {
				g.left(w, b.most, i0, i1, k0, k1-k0)
			}
			for i, h := i0, 0; i < i1; i += h {
				h = height(i1-i, b.most)
				g.tiles(w, b, i0, i, h, k0, k1, js, je)
			}
		}
	}
	clear(w.strips)
	bufferSets.put(w)
}

// columnsAtOnce is how many columns of a transposed A are packed in turn, for all
// rows: enough for each tile's part to be worth a call.
const columnsAtOnce = 32

// left packs rows i0, …, i1-1 and k columns of A from k0 on, a tile's rows at once,
// or if A is held transposed, columnsAtOnce columns of all of them: so it is read in
// long runs.
func (g *product) left(w *buffers, most, i0, i1, k0, k int) {
	columns := k
	if g.a.row == 1 {
		columns = columnsAtOnce
	}
	for p := 0; p < k; p += columns {
		n := min(columns, k-p)
		for i, h := i0, 0; i < i1; i += h {
			h = height(i1-i, most)
			packPanel(g.level, w.a[(i-i0)*(k+transposeSlack)+p*h:], n, h, h, g.a.at(i, k0+p).transposed())
		}
	}
}

// right makes the strips of rows k0, …, k1-1 and columns j0, …, j1-1 of B, without
// their left sides: two for each tile, with the second for Q behind the last row.
// It packs what is not packed and not to be read in place.
func (g *product) right(w *buffers, b blocking, k0, k1, j0, j1 int) {
	s := b.shape
	padded := s.padded(j1 - j0)
	if n := 2 * max(1, ceil(k1-k0, kc)) * ceil(j1-j0, s.wide); cap(w.strips) < n {
		w.strips = make([]strip, n)
	} else {
		w.strips = w.strips[:n]
	}
	if g.packed == nil && !b.inPlace {
		atLeast(&w.b, (k1-k0)*padded+transposeSlack)
	}
	if g.r > 0 {
		atLeast(&w.q, g.r*padded+transposeSlack)
	}
	at := 0
	for p := k0; p == k0 || p < k1; p += kc {
		k := min(kc, k1-p)
		for j := j0; j < j1; j += s.wide {
			columns, width := min(s.wide, j1-j), s.width(g.n-j)
			x, q := &w.strips[at], &w.strips[at+1]
			at += 2
			x.k, x.brow = k, width
			switch {
			case k == 0:
			case g.packed != nil:
				x.b = g.packed.buf[j*g.packed.k+p*width:]
			case b.inPlace:
				from := g.b.at(p, j)
				x.b, x.brow = from.x, from.row
			default:
				x.b = w.b[(j-j0)*(k1-k0)+(p-k0)*width:]
				packPanel(g.level, x.b, k, columns, width, g.b.at(p, j))
			}
			if g.r > 0 && p+k == g.k {
				q.k, q.b, q.brow = g.r, w.q[(j-j0)*g.r:], width
				packPanel(g.level, q.b, g.r, columns, width, g.q.at(0, j))
			}
		}
	}
}

// tiles computes the tiles of rows i, …, i+h-1 and columns j0, …, j1-1 of C over
// rows k0, …, k1-1 of B.
func (g *product) tiles(w *buffers, b blocking, i0, i, h, k0, k1, j0, j1 int) {
	s := b.shape
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
		for j := j0; j < j1; j += s.wide {
			strips := w.strips[at : at+1]
			strips[0].a, strips[0].arow, strips[0].acol = left.x, left.row, left.col
			if g.r > 0 && last {
				u := g.u.at(i, 0)
				strips = w.strips[at : at+2]
				strips[1].a, strips[1].arow, strips[1].acol = u.x, u.row, u.col
			}
			at += 2
			columns := min(s.wide, j1-j)
			if s.masked && !g.turned {
				tile(g.level, h, columns, strips, g.c[i*g.ldc+j:], g.ldc, g.acc || p > 0)
			} else {
				g.tile(w, strips, i, j, h, columns, s.width(g.n-j), p == 0, last)
			}
		}
	}
}

// tile computes a tile that may be no direct part of C.
func (g *product) tile(w *buffers, strips []strip, i, j, h, columns, width int, first, last bool) {
	acc := g.acc || !first
	switch {
	case g.turned:
		// The elements of C lie far apart: they are read and written once.
		c := g.c[j*g.ldc+i:]
		if first && g.acc {
			transposeGeneric(columns, h, c, g.ldc, w.edge[:], maxWide)
		}
		tile(g.level, h, columns, strips, w.edge[:], maxWide, acc)
		if last {
			g.storeTurned(h, columns, w.edge[:], c)
		}
	case columns == width:
		tile(g.level, h, columns, strips, g.c[i*g.ldc+j:], g.ldc, acc)
	default:
		tile(g.level, h, width, strips, w.edge[:], maxWide, false)
		storeEdge(h, columns, w.edge[:], g.c[i*g.ldc+j:], g.ldc, acc)
	}
}

// storeEdge stores or adds the first columns of a tile at the right edge of C.
func storeEdge(rows, columns int, edge, c []float32, ldc int, acc bool) {
	for i := range rows {
		to, from := c[i*ldc:][:columns], edge[i*maxWide:][:columns]
		if !acc {
			copy(to, from)
			continue
		}
		for j := range to {
			to[j] += from[j]
		}
	}
}

// storeTurned stores the tile of rows×columns of Cᵀ that edge holds. What the
// transposition overwrites behind 8 columns of C would be its own.
func (g *product) storeTurned(rows, columns int, edge, c []float32) {
	if rows == 8 {
		transpose(g.level, rows, columns, edge, maxWide, c, g.ldc)
		return
	}
	transposeGeneric(rows, columns, edge, maxWide, c, g.ldc)
}
