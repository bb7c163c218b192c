package kernels

// A strip is one product A·B of a sum of products: A is rows×k with element
// (i, p) at a[i*arow+p*acol], B is k×width with element (p, j) at b[p*brow+j].
//
// The assembly reads it by offsets: the generator's constants follow its fields.
type strip struct {
	k          int
	a          []float32
	arow, acol int
	b          []float32
	brow       int
}

// The tile is the innermost function of every matrix product:
//
//	func tile(l Level, rows, width int, strips []strip, c []float32, ldc int, acc bool)
//
//	for i := range rows {
//		for j := range width {
//			var sum float32
//			for _, s := range strips {
//				for p := range s.k {
//					sum += s.a[i*s.arow+p*s.acol] * s.b[p*s.brow+j]
//				}
//			}
//			if acc {
//				sum = c[i*ldc+j] + sum
//			}
//			c[i*ldc+j] = sum
//		}
//	}
//
// where rows is 1 to the level's rows and width is exactly the level's wide or
// narrow. The sum is of fused multiply-adds at a level that has them. The
// assembly trusts its arguments: a, b and c must hold what the loop reads.

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
// with at most 8 rows in the transposition. It may overwrite up to 8-rows
// elements behind the last one if step is below 8, and behind each group of rows
// if not.

// A shape gives the tiles of a level: how many rows of C at most, and the two
// widths that they come in.
type shape struct {
	rows, wide, narrow int
}

// maxRows and maxWide bound the tiles of all levels.
const (
	maxRows = 6
	maxWide = 16
)

// width returns the width of the tile that computes the next columns of n left.
func (s shape) width(n int) int {
	if n <= s.narrow {
		return s.narrow
	}
	return s.wide
}

// padded returns the sum of the widths of the tiles that cover n columns.
func (s shape) padded(n int) int {
	edge := n % s.wide
	if edge == 0 {
		return n
	}
	return n - edge + s.width(edge)
}

// height returns the rows of the tile that computes the next rows of m left. The
// last two tiles share their rows evenly, since a tile of one or two rows is
// slow.
func (s shape) height(m int) int {
	if m < 2*s.rows && m > s.rows {
		return (m + 1) / 2
	}
	return min(m, s.rows)
}
