package kernels

import (
	"sync"
	"sync/atomic"
)

// kc is the length of the pieces that the sum over k is cut into, the same for
// every level and machine since it decides the rounding: long enough that reading
// and writing C once a piece costs little, and short enough for the rows of a tile
// to stay in a first-level cache of 32 KiB while panels go by.
const kc = 512

// A matrix is an operand of any orientation: element (i, j) is x[i*row+j*col].
//
// On the way to a small product matrices are set field by field and handed on by
// address: the wide loads of a copy wait for the narrow stores before them.
type matrix struct {
	x        []float32
	row, col int
}

// at returns the part of a that begins with element (i, j).
func (a matrix) at(i, j int) matrix {
	return matrix{a.x[i*a.row+j*a.col:], a.row, a.col}
}

// transposed returns aᵀ.
func (a matrix) transposed() matrix { return matrix{a.x, a.col, a.row} }

// fewSets tells whether the rows of a lie at a large power of two, so that what is
// below each other falls into few sets of the caches.
func (a *matrix) fewSets() bool { return a.col == 1 && a.row%512 == 0 }

// oneSet tells whether the rows of a fall into one set of a first-level cache, which
// has eight ways.
func (a *matrix) oneSet() bool { return a.col == 1 && a.row%1024 == 0 }

// An operation is C (m×n) = A·B, or C += A·B if acc is set: A is m×k, B is k×n.
type operation struct {
	level   Level
	acc     bool
	m, n, k int
	a, b    matrix
	c       []float32
	ldc     int
}

// A product is an operation, or that with U·Q beside A·B, as the threads share it: U is
// m×r and Q is r×n. Each job computes one block of C, see block.
//
// Products are reused from call to call, with their functions bound once, so
// that a call allocates nothing.
type product struct {
	operation
	packed *Packed // B, if it is packed
	r      int
	u, q   matrix
	bias   []float32 // what each row of C begins as, for acc to add to; nil: what it was
	turned bool      // c holds Cᵀ

	mc, nc, columnBlocks    int // jobs are blocks of C: mc×nc, a row of blocks first
	job, packJob, streamJob func(i int)
	dotJob, turnedDotJob    func(i int)
	slice                   Packed // a part of B, packed for this call
}

func newProduct() *product {
	g := &product{}
	g.job, g.packJob, g.streamJob = g.block, g.pack, g.stream
	g.dotJob, g.turnedDotJob = g.dots, g.turnedDots
	return g
}

// release gives g back for the next call, with no hold on any operand.
func (g *product) release() {
	*g = product{job: g.job, packJob: g.packJob, streamJob: g.streamJob, dotJob: g.dotJob, turnedDotJob: g.turnedDotJob, slice: g.slice}
	products.put(g)
}

// atLeast returns a slice of n elements in the memory of *x, which it replaces
// by a larger one if need be.
func atLeast(x *[]float32, n int) []float32 {
	if cap(*x) < n {
		*x = make([]float32, n)
	}
	return (*x)[:n]
}

// A reusable keeps values that are out of use for whoever needs one next.
type reusable[T any] struct {
	make func() *T
	last atomic.Pointer[T] // one of them, for the common case
	mu   sync.Mutex
	free []*T
}

func (r *reusable[T]) get() *T {
	if x := r.last.Swap(nil); x != nil {
		return x
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) == 0 {
		return r.make()
	}
	x := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	return x
}

func (r *reusable[T]) put(x *T) {
	if r.last.CompareAndSwap(nil, x) {
		return
	}
	r.mu.Lock()
	r.free = append(r.free, x)
	r.mu.Unlock()
}

var products = reusable[product]{make: newProduct}

// multiply computes the product. A B that is not packed and that more than one
// block of rows reads is packed before, slice by slice, so that a slice stays in
// cache.
func (g *product) multiply() {
	if g.m == 0 || g.n == 0 {
		return
	}
	g.turn()
	if s := &shapes[g.level]; g.packed == nil && g.r == 0 && s.streams(g.turned, g.m, g.b, g.k, g.n) {
		g.runStream()
		return
	}
	threads := 1
	if work := g.m * g.n * (g.k + g.r); work >= parallelWork {
		threads = min(Threads(), max(2, min(work/parallelWork, max(someThreads, work/manyWork))))
	}
	if threads == 1 || g.packed != nil || g.inPlace(g.m, 0) || g.jobsPack(threads) {
		g.run(threads)
		return
	}
	whole := *g
	sliceK := 4 * kc
	slices := ceil(whole.n, max(256, machine.L3/4/(4*sliceK)))
	sliceN := ceil(ceil(whole.n, slices), maxWide) * maxWide
	for j := 0; j < whole.n; j += sliceN {
		for p := 0; p == 0 || p < whole.k; p += sliceK {
			n, k := min(sliceN, whole.n-j), min(sliceK, whole.k-p)
			g.slice.resize(g.level, k, n)
			if k > 0 {
				g.slice.fill(whole.b.at(p, j))
				g.a = whole.a.at(0, p)
			}
			g.n, g.k, g.packed, g.c = n, k, &g.slice, whole.c[j:]
			g.acc = whole.acc || p > 0
			g.run(threads)
		}
	}
}

// jobsPack tells whether each job packs what it reads of B, a panel at a time: its own
// columns for few rows of A, all of a small B if there is a job a thread. With more
// rows or jobs, packing B before is shared by many.
func (g *product) jobsPack(threads int) bool {
	if g.byRows() {
		return g.even(threads)
	}
	return g.m <= selfPackRows && g.n >= 4*shapes[g.level].wide*threads
}

const selfPackRows = 96

// parallelWork is the least m·n·k that is worth sharing, some two microseconds of
// work, and the least for each of many threads: a helper that looks for it takes its
// part in a third of one, but all of them look at the same line of the cache.
const parallelWork = 1 << 17

// manyWork is the least m·n·k for each of more than someThreads, who wait longer for
// the last of them.
const manyWork, someThreads = 1 << 21, 8

// even tells whether a job a thread is best: waiting for the last of so short ones
// takes less time than what one thread has in its caches takes to come into another's.
func (g *product) even(threads int) bool {
	const most = 1 << 22 // m·n·k a thread
	return g.m*g.n*(g.k+g.r) < most*threads
}

// turn exchanges the sides of a product, if A is held transposed, and either C has
// so few columns that they leave most of a vector empty or the tiles would read
// little of each cache line of A, and its lines fall into few sets of the cache, or
// else if it is then a stream. It becomes Cᵀ = Bᵀ·Aᵀ, which has the same sums.
func (g *product) turn() {
	s := &shapes[g.level]
	if g.packed != nil || g.r > 0 || g.a.row != 1 || g.m < s.narrow {
		return
	}
	if s.masked && (g.n <= 8 || g.n <= 64 && s.rows < 8 && g.a.col%512 == 0) || s.streams(true, g.n, g.a.transposed(), g.k, g.m) {
		g.m, g.n = g.n, g.m
		g.a, g.b = g.b.transposed(), g.a.transposed()
		g.turned = true
	}
}

// blockRows is the most rows of a block: it bounds the memory of A's packed part.
const blockRows = 4096

// run cuts C into blocks and computes them. Which blocks these are has no
// influence on the result.
func (g *product) run(threads int) {
	s := shapes[g.level]
	rows, columns := ceil(g.m, blockRows), 1
	if threads > 1 {
		// Blocks of few rows or columns read the other operand too often: a B that stays
		// in a cache is cut by rows alone, as are the kernels before and behind, and
		// another packed one by rows first, so that few blocks pack the same rows of A.
		// Otherwise each block packs its own columns of B.
		jobs := 4 * threads
		if g.even(threads) {
			jobs = threads
		}
		switch {
		case g.byRows():
			rows = max(rows, min(jobs, ceil(g.m, 2*s.rows)))
		case g.packed != nil:
			rows = max(rows, min(jobs, ceil(g.m, 128)))
			columns = min(ceil(jobs, rows), ceil(g.n, 4*s.wide))
			rows = max(rows, min(ceil(jobs, columns), ceil(g.m, 4*s.rows)))
		default:
			columns = min(jobs, ceil(g.n, 4*s.wide))
			rows = max(rows, min(ceil(threads, columns), ceil(g.m, 2*s.rows)))
		}
	}
	g.mc = ceil(ceil(g.m, rows), s.rows) * s.rows
	g.nc = ceil(ceil(g.n, columns), s.wide) * s.wide
	g.columnBlocks = ceil(g.n, g.nc)
	Parallel(ceil(g.m, g.mc)*g.columnBlocks, g.job)
}

// byRows tells whether B is so small, and C so tall, that all threads read all of B.
func (g *product) byRows() bool {
	return 4*(g.k+g.r)*g.n <= machine.L2/2 && g.m >= 4*shapes[g.level].rows
}

// ceil returns a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }
