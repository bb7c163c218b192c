package kernels

// smallBytes is how much memory B may take for a product to be small.
const smallBytes = 1 << 17

// small tells whether a product is best computed at once by the calling goroutine:
// its operands are near where they lie, and its sums are of one piece.
func (s *shape) small(m, n, k int, b matrix) bool {
	return s.masked && m > 0 && n > 0 && 0 < k && k <= kc && 4*k*max(n, b.row) <= smallBytes &&
		(m*n*k < parallelWork || Threads() == 1)
}

// multiplySmall is multiply for a small product: a call costs little more than its
// tiles. A is read in place, and so is B if it lies along its rows.
func multiplySmall(l Level, s *shape, acc bool, m, n, k int, a, b matrix, c []float32, ldc int) {
	step := s.step(m)
	most := s.most(min(n, step))
	if a.col == 1 && a.row%1024 == 0 {
		most = min(most, 7) // see blocking
	}
	var w *buffers
	if b.col != 1 && n > 1 {
		w = bufferSets.get()
		atLeast(&w.b, k*step)
	}
	strips := [1]strip{{k: k, arow: a.row, acol: a.col, brow: b.row}}
	for j := 0; j < n; j += step {
		columns := min(step, n-j)
		if w != nil {
			strips[0].b, strips[0].brow = w.b, (columns+7)&^7
			packPanel(l, w.b, k, columns, strips[0].brow, b.at(0, j))
		} else {
			strips[0].b = b.x[j:]
		}
		for i, h := 0, 0; i < m; i += h {
			h = height(m-i, most)
			strips[0].a = a.x[i*a.row:]
			tile(l, h, columns, strips[:], c[i*ldc+j:], ldc, acc)
		}
	}
	if w != nil {
		bufferSets.put(w)
	}
}
