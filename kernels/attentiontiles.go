package kernels

// A side is an operand B (k×n) of tiles: panels of their widths, each k rows.
type side struct {
	k, n int
	x    []float32
}

// columns returns n columns from j on, where a panel begins.
func (p side) columns(j, n int) side { return side{p.k, min(n, p.n-j), p.x[j*p.k:]} }

// sideSize returns the memory that a side needs.
func sideSize(l Level, k, n int) int { return k*shapes[l].padded(n) + transposeSlack }

// pack fills p with b.
func (p side) pack(l Level, b matrix) {
	s := &shapes[l]
	for j := 0; j < p.n; j += s.wide {
		part := b.at(0, j)
		packPanel(l, p.x[j*p.k:], p.k, min(s.wide, p.n-j), s.width(p.n-j), &part)
	}
}

// cut takes n elements from free.
func cut(free *[]float32, n int) []float32 {
	x := (*free)[:n:n]
	*free = (*free)[n:]
	return x
}

// scoreLd returns the leading dimension of scores of n keys: an odd number of cache
// lines, so that the rows of a column are in different sets of the cache.
func scoreLd(s *shape, n int) int { return s.padded(n) | 16 }

// scores computes C = A·B of a query a row and a key a column. Tiles of which no query
// sees a key are left out, as are columns behind those that are seen: the rest of C is
// not defined.
func scores(l Level, x matrix, b side, runs []run, c matrix) {
	s := &shapes[l]
	most := s.most(s.wide, b.k)
	strips := [1]strip{{k: b.k, arow: x.row, acol: 1}}
	part := func(i, h, j, columns, width, step int) {
		strips[0].a, strips[0].b, strips[0].brow, strips[0].bcol = x.x[i*x.row:], b.x[j*b.k:], width, step
		tiles(l, h, columns, strips[:], c.x[i*c.row+j:], c.row, stores)
	}
	for i, h := 0, 0; i < len(runs); i += h {
		h = height(len(runs)-i, most)
		from, to := runs[i].from/s.wide*s.wide, runs[i+h-1].to
		whole := from
		if to > from {
			whole = to / s.wide * s.wide
		}
		if whole > from {
			part(i, h, from, whole-from, s.wide, b.k)
		}
		if to > whole {
			width := s.width(b.n - whole)
			part(i, h, whole, s.cover(to-whole, width), width, 1)
		}
	}
}

// cover returns the columns of the narrowest tile for the first n columns of a panel.
func (s *shape) cover(n, width int) int {
	switch {
	case s.masked:
		return min(ceil(n, s.narrow)*s.narrow, width)
	case n <= s.narrow:
		return s.narrow
	}
	return width
}

// weigh adds A·B to C, of a query a row: its weights of keys, that are zero unless it
// sees them, and what belongs to a key in each row of B.
func weigh(l Level, x matrix, b side, runs []run, c matrix) {
	s := &shapes[l]
	strips := [1]strip{{arow: x.row, acol: 1, bcol: 1}}
	for j := 0; j < b.n; j += s.wide {
		width := s.width(b.n - j)
		columns := s.cover(b.n-j, width)
		strips[0].brow = width
		panel, most := b.x[j*b.k:], s.most(columns, b.k)
		for i, h := 0, 0; i < len(runs); i += h {
			h = height(len(runs)-i, most)
			from, to := runs[i].from, runs[i+h-1].to
			if from >= to {
				continue
			}
			strips[0].k, strips[0].a, strips[0].b = to-from, x.x[i*x.row+from:], panel[from*width:]
			tiles(l, h, columns, strips[:], c.x[i*c.row+j:], c.row, adds)
		}
	}
}

// gather adds Aᵀ·B to C, of a key a row: the weights that queries give it, which are
// zero unless they see it, and what belongs to a query in each row of B.
func gather(l Level, x matrix, b side, runs []run, c matrix) {
	s := &shapes[l]
	first, end := runs[0].from, runs[len(runs)-1].to
	strips := [1]strip{{arow: 1, acol: x.row, bcol: 1}}
	for j := 0; j < b.n; j += s.wide {
		width := s.width(b.n - j)
		columns := s.cover(b.n-j, width)
		strips[0].brow = width
		panel, most := b.x[j*b.k:], s.most(columns, b.k)
		from, to := 0, 0 // the queries that see a key of the tile
		for i, h := first, 0; i < end; i += h {
			h = height(end-i, most)
			for from < len(runs) && runs[from].to <= i {
				from++
			}
			for to < len(runs) && runs[to].from < i+h {
				to++
			}
			if from >= to {
				continue
			}
			strips[0].k, strips[0].a, strips[0].b = to-from, x.x[from*x.row+i:], panel[from*width:]
			tiles(l, h, columns, strips[:], c.x[i*c.row+j:], c.row, adds)
		}
	}
}

// blank clears the scores of the keys that a query does not see, but others of the
// block do.
func blank(runs []run, p matrix) {
	first, end := runs[0].from, runs[len(runs)-1].to
	for i, r := range runs {
		x := p.x[i*p.row:]
		clear(x[first:r.from])
		clear(x[r.to:end])
	}
}
