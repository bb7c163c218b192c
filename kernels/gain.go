package kernels

// ScaleColsGrad is the gradient of ScaleCols:
//
//	dx_ij = g_j·dy_ij
//	dg_j += Σ_i x_ij·dy_ij
//
// with the sum over i of 64 rows at a time. dx is added to if acc is set, and may be dy
// if it is not. dx and dg may be nil, and are then not computed.
func ScaleColsGrad(rows, n int, x []float32, ldx int, g, dy []float32, lddy int, dx []float32, lddx int, acc bool, dg []float32) {
	const fn = "ScaleColsGrad"
	checkSize(fn, "rows", rows)
	checkSize(fn, "n", n)
	checkMatrix(fn, "x", rows, n, x, ldx)
	checkVector(fn, "g", n, g)
	checkMatrix(fn, "dy", rows, n, dy, lddy)
	if dx != nil {
		checkMatrix(fn, "dx", rows, n, dx, lddx)
	}
	if dg == nil && dx != nil {
		ScaleCols(rows, n, dy, lddy, g, dx, lddx, acc)
	} else if dg != nil {
		checkVector(fn, "dg", n, dg)
		l := norm{rows: rows, x: table{x, ldx, n}, w: g[:n], dy: table{dy, lddy, n}, dx: table{dx, lddx, n}, acc: acc, dw: dg}
		l.gradients(&gainGradSpans, 1)
	}
}

var gainGradSpans = spans[norm]{body: norm.gainGrad}

// gainGrad makes the gradients of blocks of rows, of a norm that leaves them as long as
// they are.
func (l norm) gainGrad(from, to int) {
	for block := from; block < to; block++ {
		dw := l.sums[block*l.x.n:][:l.x.n]
		for i := block * normRows; i < min((block+1)*normRows, l.rows); i++ {
			dy := l.dy.row(i)
			mulAdd(dw, 1, l.x.row(i), dy)
			switch {
			case l.dx.x == nil:
			case l.acc:
				mulAdd(l.dx.row(i), 1, dy, l.w)
			default:
				mul(l.dx.row(i), 1, dy, l.w)
			}
		}
	}
}
