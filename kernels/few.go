package kernels

// Few columns of C leave most of a vector empty. As rows of Cᵀ = Bᵀ·Aᵀ they fill it.

// mostFew is how many columns are few.
const mostFew = 4

// fewColumns returns how many of the last columns of C are best computed as rows of Cᵀ:
// of others beside them only where A, which is then read twice, stays in a second-level
// cache.
func (o *operation) fewColumns() int {
	s, few := &shapes[o.level], o.n%dotWide
	switch {
	case few == 0 || few > mostFew || o.n > 4*dotWide || o.m < 2*dotWide || !s.masked:
	case o.m*o.k < 1024 || o.a.row != 1 && o.k < 64: // too short
	case few < o.n && (4*o.m*o.k > machine.L2 || few > 2 && o.a.row != 1 && !s.few):
	default:
		return few
	}
	return 0
}

// columns computes an operation of few columns, whose A is held transposed and whose
// sums are of one piece.
func (o *operation) columns() {
	w := bufferSets.get()
	end := endingOf(o.acc)
	strips := [1]strip{{k: o.k, a: o.b.x, arow: o.b.col, acol: o.b.row, brow: o.a.col, bcol: 1}}
	for i := 0; i < o.m; i += maxWide {
		m, c := min(maxWide, o.m-i), o.c[i*o.ldc:]
		if o.acc {
			transposeGeneric(m, o.n, c, o.ldc, w.edge[:], maxWide)
		}
		strips[0].b = o.a.x[i:]
		tiles(o.level, o.n, m, strips[:], w.edge[:], maxWide, end)
		storeTurned(o.level, o.n, m, w.edge[:], maxWide, c, o.ldc)
	}
	bufferSets.put(w)
}
