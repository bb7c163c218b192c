package kernels

// smallBytes is how much memory A or B may take for a product to be small.
const smallBytes = 1 << 17

// isSmall tells whether an operation is best computed at once by the calling goroutine:
// its operands are near where they lie, and its sums are of one piece.
func (o *operation) isSmall() bool {
	return shapes[o.level].masked && o.m > 0 && o.n > 0 && 0 < o.k && 4*o.k*max(o.m, o.n, o.b.row) <= smallBytes && o.alone()
}

// alone tells whether one thread computes an operation, in one piece.
func (o *operation) alone() bool { return alone(o.m, o.n, o.k) }

func alone(m, n, k int) bool { return k <= kc && (m*n*k < parallelWork || Threads() == 1) }

// small computes a small operation: a call costs little more than its tiles. A is read
// in place, and so is B if it lies along its rows.
func (o *operation) small() {
	a, b := &o.a, &o.b
	if o.m == 1 && b.row == 1 && b.col > 1 && o.n >= dotLeast+max(0, dotBlock-o.k) {
		j := o.shortColumns() // and the others by AVX2's tiles, of one row the ones of most sums
		dotTile(AVX2, 1, o.n-j, o.k, a.x, a.row, a.col, b.x[j*b.col:], b.col, o.c[j:], o.ldc, endingOf(o.acc))
		return
	}
	s, end := &shapes[o.level], endingOf(o.acc)
	step := s.step(o.m, b)
	if a.oneSet() {
		step = s.wide
	}
	var w *buffers
	var strips [1]strip
	at := &strips[0]
	at.a, at.k, at.arow, at.acol, at.brow, at.bcol = a.x, o.k, a.row, a.col, b.row, 1
	if b.col != 1 && o.n > 1 || b.fewSets() && o.m > s.tall {
		w = bufferSets.get()
		atLeast(&w.b, o.k*((o.n+7)&^7))
		at.bcol = o.k
	}
	for j, columns := 0, 0; j < o.n; j += columns {
		switch columns = o.n - j; {
		case columns < step:
			at.bcol = 1 // a panel alone, in tiles of more rows, maybe
		case w != nil || step == s.wide && o.m > s.rows:
			if rest := columns % step; w != nil || rest <= s.pair {
				columns -= rest
			}
		}
		if w != nil {
			at.b, at.brow = w.b[j*o.k:], (min(columns, step)+7)&^7
			part := matrix{b.x[j*b.col:], b.row, b.col}
			packPanels(o.level, at, step, columns, o.k, &part)
		} else {
			at.b = b.x[j:]
		}
		width := min(columns, step)
		if at.bcol == 1 && width <= s.pair {
			width = min(width, s.narrow)
		}
		most := s.most(width, o.k)
		if a.oneSet() {
			most = min(most, mostOfOneSet)
		}
		tileRows(o.level, o.m, most, columns, strips[:], o.c[j:], o.ldc, end)
	}
	if w != nil {
		bufferSets.put(w)
	}
}
