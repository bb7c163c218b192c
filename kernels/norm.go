package kernels

import "math"

// RMSNorm divides each of rows rows of n elements by its root mean square and
// multiplies it by the weights w (arXiv 1910.07467, eq. 4, with eps under the
// root):
//
//	inv_i = 1/√(Σ_j x_ij²/n + eps)
//	y_ij  = x_ij·inv_i·w_j
//
// inv is saved for RMSNormGrad; it errs by half a unit in the last place. y may be
// x.
func RMSNorm(rows, n int, x []float32, ldx int, w []float32, eps float32, y []float32, ldy int, inv []float32) {
	checkSize("RMSNorm", "rows", rows)
	checkSize("RMSNorm", "n", n)
	checkMatrix("RMSNorm", "x", rows, n, x, ldx)
	checkVector("RMSNorm", "w", n, w)
	checkMatrix("RMSNorm", "y", rows, n, y, ldy)
	checkVector("RMSNorm", "inv", rows, inv)
	if rows == 0 || n == 0 {
		return
	}
	w = w[:n]
	rowSpans(rows, n, func(from, to int) {
		for i := from; i < to; i++ {
			xi := x[i*ldx : i*ldx+n]
			inv[i] = float32(1 / math.Sqrt(dot(xi, xi)/float64(n)+float64(eps)))
			mul(y[i*ldy:i*ldy+n], inv[i], xi, w)
		}
	})
}

// RMSNormGrad is the gradient of RMSNorm:
//
//	dx_ij = inv_i·w_j·dy_ij - x_ij·inv_i³/n·Σ_k x_ik·w_k·dy_ik
//	dw_j += Σ_i x_ij·inv_i·dy_ij
//
// dx is added to if acc is set. dx and dw may be nil, and are then not computed.
func RMSNormGrad(rows, n int, x []float32, ldx int, w, inv, dy []float32, lddy int, dx []float32, lddx int, acc bool, dw []float32) {
	checkSize("RMSNormGrad", "rows", rows)
	checkSize("RMSNormGrad", "n", n)
	checkMatrix("RMSNormGrad", "x", rows, n, x, ldx)
	checkVector("RMSNormGrad", "w", n, w)
	checkVector("RMSNormGrad", "inv", rows, inv)
	checkMatrix("RMSNormGrad", "dy", rows, n, dy, lddy)
	if dx != nil {
		checkMatrix("RMSNormGrad", "dx", rows, n, dx, lddx)
	}
	if dw != nil {
		checkVector("RMSNormGrad", "dw", n, dw)
	}
	if rows == 0 || n == 0 {
		return
	}
	w = w[:n]
	if dx != nil {
		rowSpans(rows, n, func(from, to int) {
			for i := from; i < to; i++ {
				xi, dyi, dxi := x[i*ldx:i*ldx+n], dy[i*lddy:i*lddy+n], dx[i*lddx:i*lddx+n]
				r := float64(inv[i])
				along := dot3(xi, w, dyi) / float64(n)
				if acc {
					mulAdd(dxi, inv[i], w, dyi)
				} else {
					mul(dxi, inv[i], w, dyi)
				}
				axpy(float32(-r*r*r*along), xi, dxi)
			}
		})
	}
	if dw != nil {
		columnSpans(rows, n, func(from, to int) {
			for i := range rows {
				mulAdd(dw[from:to], inv[i], x[i*ldx+from:i*ldx+to], dy[i*lddy+from:i*lddy+to])
			}
		})
	}
}

// LayerNorm brings each of rows rows of n elements to mean 0 and variance 1, and
// applies the weights w and b (arXiv 1607.06450, eq. 4, with eps under the root):
//
//	mean_i = Σ_j x_ij/n
//	inv_i  = 1/√(Σ_j (x_ij - mean_i)²/n + eps)
//	y_ij   = (x_ij - mean_i)·inv_i·w_j + b_j
//
// mean and inv are saved for LayerNormGrad; the sums are float64. y may be x.
func LayerNorm(rows, n int, x []float32, ldx int, w, b []float32, eps float32, y []float32, ldy int, mean, inv []float32) {
	checkSize("LayerNorm", "rows", rows)
	checkSize("LayerNorm", "n", n)
	checkMatrix("LayerNorm", "x", rows, n, x, ldx)
	checkVector("LayerNorm", "w", n, w)
	checkVector("LayerNorm", "b", n, b)
	checkMatrix("LayerNorm", "y", rows, n, y, ldy)
	checkVector("LayerNorm", "mean", rows, mean)
	checkVector("LayerNorm", "inv", rows, inv)
	if rows == 0 || n == 0 {
		return
	}
	w, b = w[:n], b[:n]
	rowSpans(rows, n, func(from, to int) {
		for i := from; i < to; i++ {
			xi, yi := x[i*ldx:i*ldx+n], y[i*ldy:i*ldy+n]
			m := sum(xi) / float64(n)
			// Squares of float32 are exact in float64: the difference keeps
			// single precision until the mean is 10⁴ standard deviations.
			variance := max(dot(xi, xi)/float64(n)-m*m, 0)
			mean[i], inv[i] = float32(m), float32(1/math.Sqrt(variance+float64(eps)))
			shiftScale(yi, inv[i], xi, mean[i])
			mul(yi, 1, yi, w)
			add(yi, yi, b)
		}
	})
}

// LayerNormGrad is the gradient of LayerNorm: with z_ij = (x_ij - mean_i)·inv_i,
//
//	dx_ij = inv_i·(w_j·dy_ij - Σ_k w_k·dy_ik/n - z_ij·Σ_k z_ik·w_k·dy_ik/n)
//	dw_j += Σ_i z_ij·dy_ij
//	db_j += Σ_i dy_ij
//
// dx is added to if acc is set. dx, dw and db may be nil, and are then not
// computed.
func LayerNormGrad(rows, n int, x []float32, ldx int, w, mean, inv, dy []float32, lddy int, dx []float32, lddx int, acc bool, dw, db []float32) {
	checkSize("LayerNormGrad", "rows", rows)
	checkSize("LayerNormGrad", "n", n)
	checkMatrix("LayerNormGrad", "x", rows, n, x, ldx)
	checkVector("LayerNormGrad", "w", n, w)
	checkVector("LayerNormGrad", "mean", rows, mean)
	checkVector("LayerNormGrad", "inv", rows, inv)
	checkMatrix("LayerNormGrad", "dy", rows, n, dy, lddy)
	if dx != nil {
		checkMatrix("LayerNormGrad", "dx", rows, n, dx, lddx)
	}
	if dw != nil {
		checkVector("LayerNormGrad", "dw", n, dw)
	}
	if db != nil {
		checkVector("LayerNormGrad", "db", n, db)
	}
	if rows == 0 || n == 0 {
		return
	}
	w = w[:n]
	if dx != nil {
		rowSpans(rows, n, func(from, to int) {
			spare := borrow(n)
			defer spares.put(spare)
			z := *spare
			for i := from; i < to; i++ {
				dyi, dxi, r := dy[i*lddy:i*lddy+n], dx[i*lddx:i*lddx+n], float64(inv[i])
				shiftScale(z, inv[i], x[i*ldx:i*ldx+n], mean[i])
				level := dot(w, dyi) / float64(n)
				along := dot3(w, dyi, z) / float64(n)
				if acc {
					mulAdd(dxi, inv[i], w, dyi)
				} else {
					mul(dxi, inv[i], w, dyi)
				}
				axpy(float32(-r*along), z, dxi)
				shiftScale(dxi, 1, dxi, float32(r*level))
			}
		})
	}
	if dw != nil || db != nil {
		columnSpans(rows, n, func(from, to int) {
			spare := borrow(to - from)
			defer spares.put(spare)
			z := *spare
			for i := range rows {
				dyi := dy[i*lddy+from : i*lddy+to]
				if dw != nil {
					shiftScale(z, inv[i], x[i*ldx+from:i*ldx+to], mean[i])
					mulAdd(dw[from:to], 1, z, dyi)
				}
				if db != nil {
					add(db[from:to], db[from:to], dyi)
				}
			}
		})
	}
}
