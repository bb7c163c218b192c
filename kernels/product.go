package kernels

import (
	"runtime"
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

// run chooses the blocks and computes them.
func (g *product) run() {
	s := shapes[g.level]
	threads := runtime.GOMAXPROCS(0)
	// Half of the second-level cache for A.
	g.mc = max(1, machine.L2/2/(4*kc)/s.rows) * s.rows
	g.nc = g.n
	jobs := 1
	if threads > 1 && g.m*g.n*(g.k+g.r) > 1<<16 {
		jobs = 4 * threads
	}
	blocks := func(n, size int) int { return (n + size - 1) / size }
	even := func(n, parts, unit int) int { return blocks(blocks(n, parts), unit) * unit }
	g.rowBlocks = blocks(g.m, g.mc)
	columns := min(blocks(jobs, g.rowBlocks), blocks(g.n, 8*s.wide))
	g.nc = even(g.n, columns, s.wide)
	columns = blocks(g.n, g.nc)
	if g.packed != nil {
		g.rowBlocks = max(g.rowBlocks, min(blocks(jobs, columns), blocks(g.m, 4*s.rows)))
	}
	g.mc = even(g.m, g.rowBlocks, s.rows)
	g.rowBlocks = blocks(g.m, g.mc)
	Parallel(g.rowBlocks*columns, g.job)
}

// block is one job: it computes one block of C.
func (g *product) block(index int) {
	s := shapes[g.level]
	i0, j0 := index%g.rowBlocks*g.mc, index/g.rowBlocks*g.nc
	i1, j1 := min(i0+g.mc, g.m), min(j0+g.nc, g.n)
	w := bufferSets.get()
	packA := j1-j0 >= 4*s.wide

	for k0 := 0; k0 == 0 || k0 < g.k; k0 += kc {
		k := min(kc, g.k-k0)
		acc := g.acc || k0 > 0
		if packA && k > 0 {
			a := atLeast(&w.a, (i1-i0)*k+transposeSlack)
			for i, h := i0, 0; i < i1; i += h {
				h = s.height(i1 - i)
				packPanel(g.level, a[(i-i0)*k:], k, h, h, g.a.at(i, k0).transposed())
			}
		}
		for j := j0; j < j1; j += s.wide {
			width := s.width(g.n - j)
			columns := min(width, g.n-j)
			strips := w.strips[:0]
			if k > 0 {
				strips = append(strips, g.stripB(w, k0, k, j, width))
			}
			if g.r > 0 && k0+k == g.k {
				q := atLeast(&w.q, g.r*width)
				packPanel(g.level, q, g.r, columns, width, g.q.at(0, j))
				strips = append(strips, strip{k: g.r, b: q, brow: width})
			}
			for i, h := i0, 0; i < i1; i += h {
				h = s.height(i1 - i)
				if k > 0 {
					if packA {
						strips[0].a, strips[0].arow, strips[0].acol = w.a[(i-i0)*k:], 1, h
					} else {
						a := g.a.at(i, k0)
						strips[0].a, strips[0].arow, strips[0].acol = a.x, a.row, a.col
					}
				}
				if g.r > 0 && k0+k == g.k {
					u := g.u.at(i, 0)
					last := &strips[len(strips)-1]
					last.a, last.arow, last.acol = u.x, u.row, u.col
				}
				c := g.c[i*g.ldc+j:]
				if columns == width {
					tile(g.level, h, width, strips, c, g.ldc, acc)
				} else {
					tile(g.level, h, width, strips, w.edge[:], maxWide, false)
					storeEdge(h, columns, w.edge[:], c, g.ldc, acc)
				}
			}
		}
	}
	w.strips = [2]strip{}
	bufferSets.put(w)
}

// stripB returns the strip of rows k0, …, k0+k-1 of B and the panel at column j,
// still without A. A B that is not packed is packed here, into the first-level
// cache.
func (g *product) stripB(w *buffers, k0, k, j, width int) strip {
	if g.packed != nil {
		panel, width := g.packed.panel(j)
		return strip{k: k, b: panel[k0*width:], brow: width}
	}
	panel := atLeast(&w.b, k*width)
	packPanel(g.level, panel, k, min(width, g.n-j), width, g.b.at(k0, j))
	return strip{k: k, b: panel, brow: width}
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
