package kernels

import "github.com/klauspost/cpuid/v2"

// A right side that is held transposed need not be packed: the dot tiles transpose
// blocks of it in registers, beside multiply-adds that take as long. So they suit C of
// few rows, or C of few columns as Cᵀ = Bᵀ·Aᵀ:
//
//	func dotTile(l Level, rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending)
//
//	for i := range rows {
//		for j := range columns {
//			var sum float32
//			for p := range k {
//				sum += a[i*arow+p*acol] * b[j*ldb+p] // a fused multiply-add
//			}
//			if end == adds {
//				sum = c[i*ldc+j] + sum
//			}
//			c[i*ldc+j] = sum
//		}
//	}
//
// of 1 to dotTall rows and at least dotLeast columns. Of fewer than dotBlock terms, it reads
// those of b that lie before them.
const dotTall, dotWide, dotLeast, dotBlock = 8, 16, 8, 4

// dotColumns is how many columns of C go by all rows at once: what they read of B
// stays in a second-level cache.
const dotColumns = 4 * dotWide

// A dotting is how an operation is computed by dot tiles.
type dotting uint8

const (
	notDotted dotting = iota
	dotted
	dottedTurned
)

// dotMost is up to how many rows of C packing B takes longer than transposing it for each
// tile. Intel's processors make shuffles of whole vectors where they also make half of
// the multiply-adds, AMD's beside some of them.
var dotMost = func() int {
	if cpuid.CPU.VendorID == cpuid.AMD {
		return 8 * dotTall
	}
	return 3 * dotTall
}()

// dotting tells how to compute an operation by dot tiles, if they are best: for few rows,
// with AVX-512 for dotMost of long sums, unless B's rows then drive out those of A, or for
// few columns, of long sums if they are not so few.
func (o *operation) dotting() dotting {
	const long = 256
	s := &shapes[o.level]
	if o.k < s.dotTerms || max(o.m, o.n) < dotWide || s.dotTerms == 0 {
		return notDotted
	}
	if o.b.row == 1 && o.b.col > 1 && o.n >= dotWide && (o.m > 1 || o.n >= dotColumns) {
		rows := o.b.transposed()
		if o.m <= s.dotRows || s.dotRows > dotTall && o.m <= dotMost && o.k >= long && !rows.fewSets() {
			return dotted
		}
	}
	if o.a.col == 1 && 0 < o.n && o.n <= s.dotNarrow && o.m >= 2*dotWide && (o.k >= long || o.k >= long/4 && o.n <= dotTall/2) {
		return dottedTurned
	}
	return notDotted
}

// dotsCollide tells whether the rows of both sides of dot tiles fall into one set of the
// first-level cache, where they drive each other out: AVX-512's read whole lines at once.
func dotsCollide(l Level, rows int, a, right *matrix) bool {
	return l == AVX2 && rows > 1 && a.oneSet() && right.oneSet()
}

// byColumns packs a matrix (rows×k) by columns.
func (w *buffers) byColumns(l Level, rows, k int, a *matrix) matrix {
	panel, b := atLeast(&w.a, rows*k+transposeSlack), a.transposed()
	packPanel(l, panel, k, rows, rows, &b)
	return matrix{panel, 1, rows}
}

// multiplyDots computes an operation by dot tiles. The jobs are parts of the columns of C,
// or of its rows.
func (g *product) multiplyDots(how dotting) {
	job, n := g.dotJob, g.n
	if how == dottedTurned {
		job, n = g.turnedDotJob, g.m
	}
	threads := 1
	if work := g.m * g.n * g.k; work >= parallelWork {
		threads = min(Threads(), max(2, work/parallelWork))
	}
	jobs := 4 * threads
	if threads == 1 || g.even(threads) {
		jobs = threads
	}
	g.nc = n
	g.columnBlocks = min(jobs, n/dotWide)
	Parallel(g.columnBlocks, job)
}

// dotPart returns the columns or rows of a job: whole tiles, and what is left to the
// last job.
func (g *product) dotPart(index int) (from, to int) {
	tiles := g.nc / dotWide
	from, to = index*tiles/g.columnBlocks*dotWide, (index+1)*tiles/g.columnBlocks*dotWide
	if index == g.columnBlocks-1 {
		to = g.nc
	}
	return from, to
}

// dots is one job of an operation by dot tiles.
func (g *product) dots(index int) {
	j0, j1 := g.dotPart(index)
	g.byDots(j0, j1)
}

// byDots computes columns j0, …, j1-1 of C.
func (o *operation) byDots(j0, j1 int) {
	if j0 == 0 && o.level == AVX2 {
		j0 = o.shortColumns()
	}
	left, right := o.a, o.b.transposed()
	var w *buffers
	if dotsCollide(o.level, o.m, &left, &right) {
		w = bufferSets.get()
		left = w.byColumns(o.level, o.m, o.k, &left)
	}
	for j, n := j0, 0; j < j1; j += n {
		if n = j1 - j; n >= dotColumns+dotWide {
			n = dotColumns
		}
		for p := 0; p < o.k; p += kc {
			k, b := min(kc, o.k-p), right.at(j, p)
			for i, h := 0, 0; i < o.m; i += h {
				h = height(o.m-i, dotTall)
				a := left.at(i, p)
				dotTile(o.level, h, n, k, a.x, a.row, a.col, b.x, b.row, o.c[i*o.ldc+j:], o.ldc, endingOf(o.acc || p > 0))
			}
		}
	}
	if w != nil {
		bufferSets.put(w)
	}
}

// shortColumns computes the first columns of C, if b holds less than a block of terms
// before those of the next one, and returns how many these are.
func (o *operation) shortColumns() int {
	if o.k >= dotBlock {
		return 0
	}
	first := *o
	first.n = ceil(dotBlock-o.k, o.b.col)
	first.small()
	return first.n
}

// turnedDots is one job of Cᵀ = Bᵀ·Aᵀ by dot tiles.
func (g *product) turnedDots(index int) {
	i0, i1 := g.dotPart(index)
	w, left := bufferSets.get(), g.b.transposed()
	if dotsCollide(g.level, g.n, &left, &g.a) {
		left = w.byColumns(g.level, g.n, g.k, &left)
	}
	for i, m := i0, 0; i < i1; i += m {
		if m = i1 - i; m > maxWide {
			m = maxWide - dotWide
		}
		c := g.c[i*g.ldc:]
		if g.acc {
			transposeGeneric(m, g.n, c, g.ldc, w.edge[:], maxWide)
		}
		for p := 0; p < g.k; p += kc {
			a, b := g.a.at(i, p), left.at(0, p)
			dotTile(g.level, g.n, m, min(kc, g.k-p), b.x, b.row, b.col, a.x, a.row, w.edge[:], maxWide, endingOf(g.acc || p > 0))
		}
		storeTurned(g.level, g.n, m, w.edge[:], maxWide, c, g.ldc)
	}
	bufferSets.put(w)
}
