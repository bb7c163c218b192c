package kernels

import "fmt"

// A Packed is a right-hand operand B (k×n) in the order that the tiles read it:
// panels of as many columns as the level's tile is wide, each contiguous. A
// frozen weight is packed once and multiplied by in every step.
//
// A Packed belongs to the level that was active when it was made, and products
// with it run at that level. It may be read by many goroutines at once.
type Packed struct {
	level Level
	k, n  int
	buf   []float32
}

// Pack packs B (k×n). Op says how b holds it: NN as k×n, NT as n×k. It panics if
// op is TN or an argument is too short.
func Pack(op Op, k, n int, b []float32, ldb int) *Packed {
	view := checkRight("Pack", "b", op, k, n, b, ldb)
	p := &Packed{}
	p.resize(active, k, n)
	p.fill(view)
	return p
}

// Repack replaces the values of p by those of another B of the same k and n, in
// the same memory. See Pack.
func (p *Packed) Repack(op Op, b []float32, ldb int) {
	p.fill(checkRight("Repack", "b", op, p.k, p.n, b, ldb))
}

// Dims returns the shape k×n of the packed operand.
func (p *Packed) Dims() (k, n int) { return p.k, p.n }

// resize gives p a shape, in its own memory if that suffices. The values are
// undefined.
func (p *Packed) resize(l Level, k, n int) {
	size := k * shapes[l].padded(n)
	if cap(p.buf) < size {
		p.buf = make([]float32, size)
	}
	p.level, p.k, p.n, p.buf = l, k, n, p.buf[:size]
}

// panel returns the panel whose first column is j, a multiple of the tile's
// wide, and its width.
func (p *Packed) panel(j int) (panel []float32, width int) {
	return p.buf[j*p.k:], shapes[p.level].width(p.n - j)
}

// packColumns and packRows are how many columns and rows one job packs, whole panels
// at every level, and rowsAtOnce how many rows of them in turn if B is row-major: so it
// is read in long runs.
const (
	packColumns = 192
	packRows    = 256
	rowsAtOnce  = 8
)

// fill packs b into p.
func (p *Packed) fill(b matrix) {
	g := products.get()
	g.b, g.packed = b, p
	Parallel(ceil(p.n, packColumns)*ceil(p.k, packRows), g.packJob)
	g.release()
}

// pack is one job of fill: it packs a block of packRows×packColumns.
func (g *product) pack(index int) {
	p := g.packed
	wide := shapes[p.level].wide
	blocks := ceil(p.k, packRows)
	first, from := index/blocks*packColumns, index%blocks*packRows
	end, to := min(p.n, first+packColumns), min(p.k, from+packRows)
	rows := rowsAtOnce
	if g.b.row == 1 {
		rows = packRows
	}
	for k0 := from; k0 < to; k0 += rows {
		k := min(rows, to-k0)
		for j := first; j < end; j += wide {
			panel, width := p.panel(j)
			b := g.b.at(k0, j)
			packPanel(p.level, panel[k0*width:], k, min(wide, p.n-j), width, &b)
		}
	}
}

// packPanel copies B (k×n) into a panel k×width, n ≤ width:
//
//	for p := range k {
//		for j := range n {
//			panel[p*width+j] = b.x[p*b.row+j*b.col]
//		}
//	}
//
// The columns behind the n-th are zeros. It may overwrite up to transposeSlack
// elements behind the panel, unless width is a multiple of 8.
func packPanel(l Level, panel []float32, k, n, width int, b *matrix) {
	if k == 0 {
		return // b may be empty whatever its distances are
	}
	if n < width && !shapes[l].masked {
		clear(panel[:k*width])
	}
	if b.row == 1 && b.col != 1 {
		// From the right, as a group of rows overwrites what follows it.
		for j := (n - 1) &^ 7; j >= 0; j -= 8 {
			transpose(l, min(8, n-j), k, b.x[j*b.col:], b.col, panel[j:], width)
		}
		return
	}
	copyRows(l, k, n, b.x, b.row, panel, width)
}

// transposeSlack is how many elements transpose and copyRows may overwrite behind the
// last.
const transposeSlack = 8

// Unpack writes columns from, …, to-1 of the operand to the rows of x, which are k long:
// of a weight that was packed for y = x·W0ᵀ, rows of W0. It panics if x is too short
// or there are no such columns.
func (p *Packed) Unpack(from, to int, x []float32, ldx int) {
	if from < 0 || to < from || to > p.n {
		panic(fmt.Sprintf("kernels: Unpack: columns %d to %d, of %d", from, to, p.n))
	}
	checkMatrix("Unpack", "x", to-from, p.k, x, ldx)
	wide := shapes[p.level].wide
	for j := from; j < to && p.k > 0; j++ {
		panel, width := p.panel(j / wide * wide)
		row := x[(j-from)*ldx:]
		for i := range p.k {
			row[i] = panel[i*width+j%wide]
		}
	}
}
