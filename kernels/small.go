package kernels

// smallBytes is how much memory A or B may take for a product to be small.
const smallBytes = 1 << 17

// small tells whether a product is best computed at once by the calling goroutine:
// its operands are near where they lie, and its sums are of one piece.
func (s *shape) small(m, n, k int, b matrix) bool {
	return s.masked && m > 0 && n > 0 && 0 < k && k <= kc && 4*k*max(m, n, b.row) <= smallBytes &&
		(m*n*k < parallelWork || Threads() == 1)
}

// multiplySmall is multiply for a small product: a call costs little more than its
// tiles. A is read in place, and so is B if it lies along its rows.
func multiplySmall(l Level, s *shape, acc bool, m, n, k int, a, b matrix, c []float32, ldc int) {
	if m == 1 && n >= dotRows && a.col == 1 && b.row == 1 && b.col > 1 {
		multiplyRow(acc, n, k, a.x, b, c)
		return
	}
	step := s.step(m, b)
	if a.oneSet() {
		step = s.wide
	}
	var w *buffers
	strips := [1]strip{{k: k, arow: a.row, acol: a.col, brow: b.row, bcol: 1}}
	if b.col != 1 && n > 1 || b.fewSets() && m > s.tall {
		w = bufferSets.get()
		atLeast(&w.b, k*((n+7)&^7))
		strips[0].bcol = k
	}
	for j, columns := 0, 0; j < n; j += columns {
		switch columns = n - j; {
		case columns < step:
			strips[0].bcol = 1 // a panel alone, in tiles of more rows, maybe
		case w != nil || step == s.wide && m > s.rows:
			if rest := columns % step; w != nil || rest <= s.narrow {
				columns -= rest
			}
		}
		if w != nil {
			strips[0].b, strips[0].brow = w.b[j*k:], (min(columns, step)+7)&^7
			packPanels(l, strips[0], step, columns, k, b.at(0, j))
		} else {
			strips[0].b = b.x[j:]
		}
		most := s.most(min(columns, step), k)
		if a.oneSet() {
			most = min(most, mostOfOneSet)
		}
		for i, h := 0, 0; i < m; i += h {
			h = height(m-i, most)
			strips[0].a = a.x[i*a.row:]
			tiles(l, h, columns, strips[:], c[i*ldc+j:], ldc, endingOf(acc))
		}
	}
	if w != nil {
		bufferSets.put(w)
	}
}

// The rows of B that is held transposed and one row of A make sums of their own:
//
//	func dots(groups, k int, a []float32, lda int, x, sums []float32)
//
//	for i := range groups * dotRows {
//		for p := range k {
//			sums[i] += a[i*lda+p] * x[p] // from zero, of fused multiply-adds
//		}
//	}
//
// of 1 to dotGroups groups.
const dotRows, dotGroups = 8, 4

// multiplyRow computes one row of n ≥ dotRows columns of C = x·B.
func multiplyRow(acc bool, n, k int, x []float32, b matrix, c []float32) {
	var sums [dotRows * dotGroups]float32
	for j := 0; j < n; {
		groups := min((n-j)/dotRows, dotGroups)
		from := j // of the columns that are computed, of which some may be again
		if groups == 0 {
			groups, from = 1, n-dotRows
		}
		dots(groups, k, b.x[from*b.col:], b.col, x, sums[:])
		next := from + groups*dotRows
		to, sums := c[j:next], sums[j-from:]
		for i := range to {
			sum := sums[i]
			if acc {
				sum = to[i] + sum
			}
			to[i] = sum
		}
		j = next
	}
}
