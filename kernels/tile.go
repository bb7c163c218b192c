package kernels

// A strip is one product A·B of a sum of products: A is rows×k with element (i, p) at
// a[i*arow+p*acol]. B is k×columns, and of the tile that begins with column j0 element
// (p, j) is at b[j0*bcol+p*brow+j-j0]: so bcol is 1 for rows that lie in memory whole,
// and k for panels one behind the other.
//
// The assembly reads it by offsets: the generator's constants follow its fields.
type strip struct {
	k          int
	a          []float32
	arow, acol int
	b          []float32
	brow, bcol int
	ahead      int // how far behind what is read of B more of it is fetched, on amd64
}

// The tiles, side by side, are the innermost function of every matrix product:
//
//	func tiles(l Level, rows, columns int, strips []strip, c []float32, ldc int, end ending)
//
//	for i := range rows {
//		for j := range columns {
//			var sum float32
//			if end == goesOn {
//				sum = c[i*ldc+j]
//			}
//			for _, s := range strips {
//				for p := range s.k {
//					sum += s.a[i*s.arow+p*s.acol] * s.b[j/step*step*s.bcol+p*s.brow+j%step]
//				}
//			}
//			if end == adds {
//				sum = c[i*ldc+j] + sum
//			}
//			c[i*ldc+j] = sum
//		}
//	}
//
// of one or two strips. A tile has the level's wide columns or, of more rows than such
// tiles have, narrow ones, which is the step. At a masked level the last tile may be
// any part of one, if bcol is 1; otherwise all are whole. The sum is of fused
// multiply-adds at a level that has them. The assembly trusts its arguments: a, b and c
// must hold what the loop reads.
//
// A masked level also takes rows that are more than a tile's, as tiles of most rows
// below each other, cut as height tells:
//
//	func tileRows(l Level, rows, most, columns int, strips []strip, c []float32, ldc int, end ending)

// An ending says what a tile does with C: it stores its sums there, adds them, or goes
// on with the sums that C holds.
//
// The assembly knows the values.
type ending uint8

const (
	stores ending = iota
	adds
	goesOn
)

// endingOf returns adds or stores.
func endingOf(acc bool) ending {
	if acc {
		return adds
	}
	return stores
}

// Packing needs a copy of rows and a transposition beside the tile:
//
//	func copyRows(l Level, rows, columns int, src []float32, ld int, dst []float32, step int)
//
//	for p := range rows {
//		copy(dst[p*step:][:columns], src[p*ld:])
//	}
//
//	func transpose(l Level, rows, k int, src []float32, ld int, dst []float32, step int)
//
//	for p := range k {
//		for i := range rows {
//			dst[p*step+i] = src[i*ld+p]
//		}
//	}
//
// with at least one row and one column, and at most 8 rows in the transposition. Both
// may overwrite what makes a group of rows, or of up to maxWide columns, a multiple of
// 8, with zeros at a masked level; what comes later stands, so a step may be as short as
// the group. Of longer rows the copy touches nothing else.

// A shape gives the tiles of a level: wide columns of C by up to rows rows, and
// narrow columns by up to tall. A level is masked if its last tile takes any number of
// columns up to these, and touches nothing behind them. Up to pair columns it takes two
// narrow tiles, of any rows, where a wide one would be mostly empty. Of a short sum, tiles of
// as many rows are best whose sums leave registers to the next tile, which then begins
// before they are stored.
type shape struct {
	rows, wide   int
	tall, narrow int
	pair, short  int
	masked       bool
	few          bool // up to mostFew columns are best computed as rows of Cᵀ also by many threads, and from any A

	// Up to how many rows or columns of C, of sums of how many terms, are best computed by
	// dot tiles, of which a level without them has none.
	dotRows, dotNarrow, dotTerms int
}

// shortSum is the most terms of a short sum.
const shortSum = 128

// maxRows and maxWide bound the tiles that are not computed in C itself: at the
// edges of a level that is not masked, and of at most eight rows of a turned one.
const (
	maxRows = 8
	maxWide = 48
)

// width returns the width of the panel for a tile that computes the next columns
// of n left, wide of them at most.
func (s shape) width(n int) int {
	switch {
	case s.masked:
		return (min(n, s.wide) + 7) &^ 7
	case n <= s.narrow:
		return s.narrow
	}
	return s.wide
}

// padded returns the sum of the widths of the panels that cover n columns.
func (s shape) padded(n int) int {
	edge := n % s.wide
	if edge == 0 {
		return n
	}
	return n - edge + s.width(edge)
}

// mostOfOneSet is the most rows of a tile whose rows of A are in one set of a
// first-level cache of eight ways: a line of B needs one.
const mostOfOneSet = 7

// height returns the rows of the tile that computes the next rows of m left, at
// most so many. The last two tiles share their rows evenly, since a tile of one
// or two rows is slow.
func height(m, most int) int {
	if m < 2*most && m > most {
		return (m + 1) / 2
	}
	return min(m, most)
}

// step returns the columns of the tiles that compute m rows of C: wide, unless B lies
// in rows that fall into few sets of the caches, and one narrow tile has all m.
func (s *shape) step(m int, b *matrix) int {
	if m > s.rows && m <= s.tall && b.fewSets() {
		return s.narrow
	}
	return s.wide
}

// most returns the most rows of a tile of so many columns and of sums of k terms.
func (s *shape) most(columns, k int) int {
	switch {
	case columns <= s.narrow:
		return s.tall
	case k <= shortSum && columns >= s.wide:
		return s.short
	}
	return s.rows
}

// tileAt returns the strips of the tile that begins with column j. It returns them by
// value, and by assignments: what a pointer or copy hands on would move to the heap.
func tileAt(strips []strip, j int) (at [2]strip) {
	for i, s := range strips {
		if at[i] = s; s.k > 0 {
			at[i].b = s.b[j*s.bcol:]
		}
	}
	return at
}
