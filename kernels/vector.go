package kernels

// Axpy is y += alpha·x, element by element:
//
//	for i := range x {
//		y[i] += alpha * x[i]
//	}
//
// It panics if the lengths differ.
func Axpy(alpha float32, x, y []float32) {
	checkLen("Axpy", "y", len(y), "x", len(x))
	if len(x) <= grain {
		axpy(alpha, x, y)
		return
	}
	spans(len(x), func(i, j int) { axpy(alpha, x[i:j], y[i:j]) })
}

// Scale is x = alpha·x, element by element.
func Scale(alpha float32, x []float32) {
	if len(x) <= grain {
		scale(x, alpha, x)
		return
	}
	spans(len(x), func(i, j int) { scale(x[i:j], alpha, x[i:j]) })
}

// Add is dst = a + b, element by element. dst may be a or b. It panics if the
// lengths differ.
func Add(dst, a, b []float32) {
	checkLen("Add", "a", len(a), "dst", len(dst))
	checkLen("Add", "b", len(b), "dst", len(dst))
	if len(dst) <= grain {
		add(dst, a, b)
		return
	}
	spans(len(dst), func(i, j int) { add(dst[i:j], a[i:j], b[i:j]) })
}

// Mul is dst = a·b, element by element. dst may be a or b. It panics if the
// lengths differ.
func Mul(dst, a, b []float32) {
	checkLen("Mul", "a", len(a), "dst", len(dst))
	checkLen("Mul", "b", len(b), "dst", len(dst))
	if len(dst) <= grain {
		mul(dst, 1, a, b)
		return
	}
	spans(len(dst), func(i, j int) { mul(dst[i:j], 1, a[i:j], b[i:j]) })
}

// MulAdd is dst += a·b, element by element. dst may be a or b. It panics if the
// lengths differ.
func MulAdd(dst, a, b []float32) {
	checkLen("MulAdd", "a", len(a), "dst", len(dst))
	checkLen("MulAdd", "b", len(b), "dst", len(dst))
	if len(dst) <= grain {
		mulAdd(dst, 1, a, b)
		return
	}
	spans(len(dst), func(i, j int) { mulAdd(dst[i:j], 1, a[i:j], b[i:j]) })
}

// ScaleRows multiplies each of rows rows of n elements by its own factor,
// y_ij = g_i·x_ij, and adds to y instead if acc is set. y may be x if it is not.
func ScaleRows(rows, n int, x []float32, ldx int, g []float32, y []float32, ldy int, acc bool) {
	checkSize("ScaleRows", "rows", rows)
	checkSize("ScaleRows", "n", n)
	checkMatrix("ScaleRows", "x", rows, n, x, ldx)
	checkVector("ScaleRows", "g", rows, g)
	checkMatrix("ScaleRows", "y", rows, n, y, ldy)
	if rows == 0 || n == 0 {
		return
	}
	rowSpans(rows, n, func(from, to int) {
		for i := from; i < to; i++ {
			xi, yi := x[i*ldx:i*ldx+n], y[i*ldy:i*ldy+n]
			if acc {
				axpy(g[i], xi, yi)
			} else {
				scale(yi, g[i], xi)
			}
		}
	})
}

// ScaleCols multiplies each of n columns of rows elements by its own factor,
// y_ij = g_j·x_ij, and adds to y instead if acc is set. y may be x if it is not.
func ScaleCols(rows, n int, x []float32, ldx int, g []float32, y []float32, ldy int, acc bool) {
	checkSize("ScaleCols", "rows", rows)
	checkSize("ScaleCols", "n", n)
	checkMatrix("ScaleCols", "x", rows, n, x, ldx)
	checkVector("ScaleCols", "g", n, g)
	checkMatrix("ScaleCols", "y", rows, n, y, ldy)
	if rows == 0 || n == 0 {
		return
	}
	g = g[:n]
	rowSpans(rows, n, func(from, to int) {
		for i := from; i < to; i++ {
			xi, yi := x[i*ldx:i*ldx+n], y[i*ldy:i*ldy+n]
			if acc {
				mulAdd(yi, 1, xi, g)
			} else {
				mul(yi, 1, xi, g)
			}
		}
	})
}

// Dot returns Σ x_i·y_i. Products and sum are float64, so the products are exact
// and the result errs by less than len(x)·2⁻⁵³·Σ|x_i·y_i|; it runs on the calling
// goroutine, in an order that depends on the length alone. It panics if the
// lengths differ.
func Dot(x, y []float32) float64 {
	checkLen("Dot", "y", len(y), "x", len(x))
	return dot(x, y)
}

// SumSquares returns Σ x_i², as Dot does.
func SumSquares(x []float32) float64 { return dot(x, x) }
