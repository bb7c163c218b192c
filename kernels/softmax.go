package kernels

// Softmax is the softmax of each of rows rows of n elements,
//
//	y_ij = exp(x_ij - max_k x_ik) / Σ_k exp(x_ik - max_k x_ik)
//
// y may be x. A row that holds NaN or +Inf, or only -Inf, becomes NaN.
func Softmax(rows, n int, x []float32, ldx int, y []float32, ldy int) {
	checkSize("Softmax", "rows", rows)
	checkSize("Softmax", "n", n)
	checkMatrix("Softmax", "x", rows, n, x, ldx)
	checkMatrix("Softmax", "y", rows, n, y, ldy)
	if rows == 0 || n == 0 {
		return
	}
	rowSpans(rows, n, func(from, to int) {
		for i := from; i < to; i++ {
			xi, yi := x[i*ldx:i*ldx+n], y[i*ldy:i*ldy+n]
			total := expShift(yi, xi, 1, maximum(xi))
			scale(yi, float32(1/total), yi)
		}
	})
}

// SoftmaxGrad is the gradient of Softmax, from its result y:
//
//	dx_ij = y_ij·(dy_ij - Σ_k dy_ik·y_ik)
//
// added to dx if acc is set. dx may be dy if it is not.
func SoftmaxGrad(rows, n int, y []float32, ldy int, dy []float32, lddy int, dx []float32, lddx int, acc bool) {
	checkSize("SoftmaxGrad", "rows", rows)
	checkSize("SoftmaxGrad", "n", n)
	checkMatrix("SoftmaxGrad", "y", rows, n, y, ldy)
	checkMatrix("SoftmaxGrad", "dy", rows, n, dy, lddy)
	checkMatrix("SoftmaxGrad", "dx", rows, n, dx, lddx)
	if rows == 0 || n == 0 {
		return
	}
	rowSpans(rows, n, func(from, to int) {
		for i := from; i < to; i++ {
			yi, dyi, dxi := y[i*ldy:i*ldy+n], dy[i*lddy:i*lddy+n], dx[i*lddx:i*lddx+n]
			mean := dot(dyi, yi)
			if acc {
				mulAdd(dxi, 1, yi, dyi)
			} else {
				mul(dxi, 1, yi, dyi)
			}
			axpy(float32(-mean), yi, dxi)
		}
	})
}
