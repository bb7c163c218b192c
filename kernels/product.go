package kernels

import (
	"sync"
)

// kc is the length of the pieces that the sum over k is cut into, the same for
// every level and machine since it decides the rounding. A panel of kc×16
// elements fills half of a 32 KiB first-level cache.
const kc = 256

// A matrix is an operand of any orientation: element (i, j) is x[i*row+j*col].
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

// A product is C (m×n) = A·B + U·Q as the threads share it: A is m×k, B is k×n,
// U is m×r and Q is r×n. Each job computes one block of C in the manner of BLIS:
// for each piece of k, A packed for the second-level cache, then a panel of B in
// the first, then the tiles of C.
//
// Products are reused from call to call, with their functions bound once, so
// that a call allocates nothing.
type product struct {
	level   Level
	acc     bool
	m, n, k int
	a, b    matrix
	packed  *Packed // B, if it is packed
	r       int
	u, q    matrix
	c       []float32
	ldc     int

	mc, nc, rowBlocks int // jobs are blocks of C: mc×nc, a column of blocks first
	job, packJob      func(i int)
	slice             Packed // a part of B, packed for this call
}

func newProduct() *product {
	g := &product{}
	g.job, g.packJob = g.block, g.pack
	return g
}

// release gives g back for the next call, with no hold on any operand.
func (g *product) release() {
	*g = product{job: g.job, packJob: g.packJob, slice: g.slice}
	products.put(g)
}

// The buffers are what one job needs beside the operands.
type buffers struct {
	a, b, q []float32
	strips  [2]strip
	edge    [maxRows * maxWide]float32
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
	mu   sync.Mutex
	free []*T
}

func (r *reusable[T]) get() *T {
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
	r.mu.Lock()
	r.free = append(r.free, x)
	r.mu.Unlock()
}

var (
	products   = reusable[product]{make: newProduct}
	bufferSets = reusable[buffers]{make: func() *buffers { return new(buffers) }}
)

// selfPackRows is how many rows of A leave it to each job to pack its part of B,
// a panel at a time. With more, packing B before would be shared by many jobs.
const selfPackRows = 96

// multiply computes the product. A B that is not packed, and has enough rows of
// A to be worth it, is packed slice by slice, so that a slice stays in cache.
func (g *product) multiply() {
	if g.m == 0 || g.n == 0 {
		return
	}
	if g.packed != nil || g.m <= selfPackRows {
		g.run()
		return
	}
	whole := *g
	sliceK := 8 * kc
	sliceN := max(256, machine.L3/8/(4*sliceK)/maxWide*maxWide)
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
			g.run()
		}
	}
}

// parallelWork is the least m·n·k that is worth waking other threads for, some
// twenty microseconds of work.
const parallelWork = 1 << 20

// run cuts C into blocks and computes them. Which blocks these are has no
// influence on the result.
func (g *product) run() {
	s := shapes[g.level]
	jobs := 1
	if threads := Threads(); threads > 1 && g.m*g.n*(g.k+g.r) >= parallelWork {
		jobs = 4 * threads
	}
	// A block's part of A takes half of the second-level cache at most. To have
	// enough jobs, blocks become narrower first, down to 8 panels, then lower.
	rows := ceil(g.m, max(1, machine.L2/2/(4*kc*s.rows))*s.rows)
	columns := min(ceil(jobs, rows), ceil(g.n, 8*s.wide))
	if g.packed != nil {
		rows = max(rows, min(ceil(jobs, columns), ceil(g.m, 4*s.rows)))
	}
	g.mc = ceil(ceil(g.m, rows), s.rows) * s.rows
	g.nc = ceil(ceil(g.n, columns), s.wide) * s.wide
	g.rowBlocks = ceil(g.m, g.mc)
	Parallel(g.rowBlocks*ceil(g.n, g.nc), g.job)
}

// ceil returns a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// block is one job: it computes one block of C.
func (g *product) block(index int) {
	s := shapes[g.level]
	i0, j0 := index%g.rowBlocks*g.mc, index/g.rowBlocks*g.nc
	i1, j1 := min(i0+g.mc, g.m), min(j0+g.nc, g.n)
	w := bufferSets.get()
	// A that few panels read is not worth packing.
	packed := j1-j0 >= 4*s.wide
	for k0 := 0; k0 == 0 || k0 < g.k; k0 += kc {
		k := min(kc, g.k-k0)
		if packed && k > 0 {
			g.packA(w, i0, i1, k0, k)
		}
		for j := j0; j < j1; j += s.wide {
			width := s.width(g.n - j)
			strips := g.right(w, k0, k, j, width)
			for i, h := i0, 0; i < i1; i += h {
				h = s.height(i1 - i)
				rest := strips
				if k > 0 {
					a := g.a.at(i, k0)
					if packed {
						a = matrix{w.a[(i-i0)*k:], 1, h}
					}
					rest[0].a, rest[0].arow, rest[0].acol = a.x, a.row, a.col
					rest = rest[1:]
				}
				if len(rest) > 0 {
					u := g.u.at(i, 0)
					rest[0].a, rest[0].arow, rest[0].acol = u.x, u.row, u.col
				}
				c, columns := g.c[i*g.ldc+j:], min(width, g.n-j)
				if columns == width {
					tile(g.level, h, width, strips, c, g.ldc, g.acc || k0 > 0)
				} else {
					tile(g.level, h, width, strips, w.edge[:], maxWide, false)
					storeEdge(h, columns, w.edge[:], c, g.ldc, g.acc || k0 > 0)
				}
			}
		}
	}
	w.strips = [2]strip{}
	bufferSets.put(w)
}

// packA packs rows i0, …, i1-1 of A and its columns k0, …, k0+k-1 in the order
// that the tiles read them.
func (g *product) packA(w *buffers, i0, i1, k0, k int) {
	a := atLeast(&w.a, (i1-i0)*k+transposeSlack)
	for i, h := i0, 0; i < i1; i += h {
		h = shapes[g.level].height(i1 - i)
		packPanel(g.level, a[(i-i0)*k:], k, h, h, g.a.at(i, k0).transposed())
	}
}

// right returns the strips of the panel at column j, without their left sides:
// rows k0, …, k0+k-1 of B, and Q after the last of them. A B that is not packed
// is packed here, into the first-level cache, and so is Q.
func (g *product) right(w *buffers, k0, k, j, width int) []strip {
	strips := w.strips[:0]
	columns := min(width, g.n-j)
	if k > 0 && g.packed != nil {
		panel, width := g.packed.panel(j)
		strips = append(strips, strip{k: k, b: panel[k0*width:], brow: width})
	} else if k > 0 {
		panel := atLeast(&w.b, k*width)
		packPanel(g.level, panel, k, columns, width, g.b.at(k0, j))
		strips = append(strips, strip{k: k, b: panel, brow: width})
	}
	if g.r > 0 && k0+k == g.k {
		panel := atLeast(&w.q, g.r*width)
		packPanel(g.level, panel, g.r, columns, width, g.q.at(0, j))
		strips = append(strips, strip{k: g.r, b: panel, brow: width})
	}
	return strips
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
