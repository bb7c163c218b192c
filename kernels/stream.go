package kernels

// A stream is a product of few rows, C (m×n) = A·B, whose B lies in more and longer
// rows than a second-level cache holds: as the gradients of the factors of a low-rank
// map are, vᵀ·x and, turned, dyᵀ·u. Tiles of whole sums would read a little of each of
// many rows, pages apart. Here sums go on from some rows of B to the next ones. These
// are fetched meanwhile or, where more tiles than one or two read them, gathered.

// A stream has up to streamRows rows. Its jobs are up to streamColumns columns of C,
// and go through B by up to streamK rows, a part of kc.
const (
	streamRows    = 64
	streamColumns = 528
	streamK       = 128
)

// gatherColumns is how many columns are gathered at once: a run of memory that the
// processor fetches ahead.
const gatherColumns = 256

// gathers tells whether a stream's tiles are to read a copy of b, k×n: where its rows
// lie, those that are read and those that are fetched drive each other out of a small
// second-level cache, or so many tiles read them that they share too few pages. Rows
// from memory that two tiles read wait longer for the copy than for each other.
func (s *shape) gathers(m int, b matrix, k, n int) bool {
	if machine.L2 >= 1<<20 {
		return false
	}
	return m > 6*s.rows || b.oneSet() && (m > 2*s.rows || m > s.rows && 4*k*n <= machine.L3/4)
}

// streamDepth is how many rows of B, row elements apart, a stream goes through at
// once: fewer where so many share few sets of a second-level cache.
func streamDepth(row int) int {
	depth := streamK
	for far := 4096; depth > 32 && row%far == 0; far *= 2 {
		depth /= 2
	}
	return depth
}

// streams tells whether C (m×n) = A·b, turned or not, is best computed as a stream: if
// b, k×n, is read from memory, or its rows share a set of the first-level cache, or C is
// of so few columns that the other ways store them one by one. Of short sums these are
// better, but for few rows, and turned ones that gather.
func (s *shape) streams(turned bool, m int, b matrix, k, n int) bool {
	few := m <= maxRows
	switch {
	case !s.masked && n%s.wide != 0, m > streamRows, b.col != 1:
		return false
	case n <= 4*s.wide && !few: // rows so short lie close together, and tiles below each other read them
		return false
	case k < streamK/2, k < streamK && !few && !(turned && s.gathers(m, b, k, n)):
		return false
	case turned && few && n >= gatherColumns && (m > mostFew || !s.few && !alone(m, n, k)):
		return true
	}
	return 4*k*n >= 2*machine.L2 || n >= streamColumns && b.oneSet()
}

// runStream computes a stream.
func (g *product) runStream() {
	s := &shapes[g.level]
	jobs := Threads() * ceil(g.n, Threads()*streamColumns)
	g.nc = ceil(ceil(g.n, jobs), s.wide) * s.wide
	Parallel(ceil(g.n, g.nc), g.streamJob)
}

// stream is one job of a stream. It makes the sums of the first piece of k in C
// itself, if they are not to be added to it.
func (g *product) stream(index int) {
	j := index * g.nc
	n := min(g.n-j, g.nc)
	w := bufferSets.get()
	var c matrix
	if g.turned {
		c = matrix{atLeast(&w.c, g.m*n+transposeSlack), n, 1}
		if g.acc {
			g.load(c, j, n)
		}
	} else {
		c = matrix{g.c[j:], g.ldc, 1}
	}
	sums := matrix{atLeast(&w.sums, g.m*n), n, 1}
	for k0 := 0; k0 < g.k; k0 += kc {
		k1 := min(k0+kc, g.k)
		if k0 == 0 && !g.acc {
			g.piece(w, c, j, n, k0, k1)
			continue
		}
		g.piece(w, sums, j, n, k0, k1)
		for i := range g.m {
			to := c.at(i, 0).x[:n]
			add(to, to, sums.at(i, 0).x[:n])
		}
	}
	if g.turned {
		g.unload(c, j, n)
	}
	bufferSets.put(w)
}

// piece computes the sums over k from k0 to k1 of n columns from j on.
func (g *product) piece(w *buffers, sums matrix, j, n, k0, k1 int) {
	s := &shapes[g.level]
	if s.gathers(g.m, g.b, g.k, g.n) {
		g.gathered(w, sums, j, n, k0, k1)
		return
	}
	step := min(streamDepth(g.b.row), ceil(k1-k0, 2))
	ahead := streamK / step * s.wide // columns are fetched as long before they are read
	end := stores
	for p := k0; p < k1; p += step {
		a, b := g.a.at(0, p), g.b.at(p, j)
		k := min(step, k1-p)
		strips := [1]strip{{k: k, arow: a.row, acol: a.col, brow: b.row, bcol: 1}}
		for at := 0; at < n; at += s.wide {
			strips[0].b, strips[0].ahead = b.x[at:], ahead
			if over := at + ahead - n; over >= 0 { // of the next rows
				strips[0].ahead = k*b.row + over/s.wide*s.wide - at
			}
			g.below(&strips, a, min(s.wide, n-at), sums.at(0, at), end)
		}
		end = goesOn
	}
}

// gathered is piece of copies of B, and of A packed, whose rows of a tile stay in the
// first-level cache while the columns of B go by.
func (g *product) gathered(w *buffers, sums matrix, j, n, k0, k1 int) {
	const row = gatherColumns + 16 // a line more: rows begin in different sets
	s, end := &shapes[g.level], stores
	x := atLeast(&w.b, streamK*row)
	atLeast(&w.a, g.m*(streamK+transposeSlack))
	for p := k0; p < k1; p += streamK {
		k := min(streamK, k1-p)
		g.left(w, s.rows, 0, g.m, p, k)
		strips := [1]strip{{k: k, arow: 1, b: x, brow: row, bcol: 1}}
		for from := 0; from < n; from += gatherColumns {
			columns := min(gatherColumns, n-from)
			copyRows(g.level, k, columns, g.b.at(p, j+from).x, g.b.row, x, row)
			for i, h := 0, 0; i < g.m; i += h {
				h = height(g.m-i, s.rows)
				strips[0].a, strips[0].acol = w.a[i*(k+transposeSlack):], h
				tiles(g.level, h, columns, strips[:], sums.at(i, from).x, sums.row, end)
			}
		}
		end = goesOn
	}
}

// below computes tiles below each other, for all rows of A.
func (g *product) below(strips *[1]strip, a matrix, columns int, c matrix, end ending) {
	most := shapes[g.level].rows
	if shapes[g.level].masked {
		strips[0].a = a.x
		tileRows(g.level, g.m, most, columns, strips[:], c.x, c.row, end)
		return
	}
	for i, h := 0, 0; i < g.m; i += h {
		h = height(g.m-i, most)
		strips[0].a = a.x[i*a.row:]
		tiles(g.level, h, columns, strips[:], c.x[i*c.row:], c.row, end)
	}
}

// load copies n columns of a turned C from j on to c, and unload copies them back.
func (g *product) load(c matrix, j, n int) {
	// From the right, as a group of columns overwrites what follows it.
	for at := (n - 1) &^ 7; at >= 0; at -= 8 {
		transpose(g.level, min(8, n-at), g.m, g.c[(j+at)*g.ldc:], g.ldc, c.x[at:], c.row)
	}
}

func (g *product) unload(c matrix, j, n int) {
	for i := 0; i < g.m; i += 8 {
		storeTurned(g.level, min(8, g.m-i), n, c.at(i, 0).x, c.row, g.c[j*g.ldc+i:], g.ldc)
	}
}
