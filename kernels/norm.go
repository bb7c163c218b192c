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
	rmsNormSpans.rows(rows, n, norm{x: table{x, ldx, n}, w: w[:n], eps: eps, y: table{y, ldy, n}, inv: inv})
}

// RMSNormGrad is the gradient of RMSNorm:
//
//	dx_ij = inv_i·w_j·dy_ij - x_ij·inv_i³/n·Σ_k x_ik·w_k·dy_ik
//	dw_j += Σ_i x_ij·inv_i·dy_ij
//
// with the sum over i of 64 rows at a time. dx is added to if acc is set. dx and dw
// may be nil, and are then not computed.
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
	g := norm{rows: rows, x: table{x, ldx, n}, w: w[:n], inv: inv, dy: table{dy, lddy, n}, dx: table{dx, lddx, n}, acc: acc, dw: dw}
	if dw == nil && dx != nil {
		rmsNormInputSpans.rows(rows, n, g)
	} else if dw != nil {
		g.gradients(&rmsNormGradSpans, 1)
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
	layerNormSpans.rows(rows, n, norm{x: table{x, ldx, n}, w: w[:n], b: b[:n], eps: eps, y: table{y, ldy, n}, mean: mean, inv: inv})
}

// LayerNormGrad is the gradient of LayerNorm: with z_ij = (x_ij - mean_i)·inv_i,
//
//	dx_ij = inv_i·(w_j·dy_ij - Σ_k w_k·dy_ik/n - z_ij·Σ_k z_ik·w_k·dy_ik/n)
//	dw_j += Σ_i z_ij·dy_ij
//	db_j += Σ_i dy_ij
//
// with the sums over i of 64 rows at a time. dx is added to if acc is set. dx, dw and
// db may be nil, and are then not computed.
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
	g := norm{rows: rows, x: table{x, ldx, n}, w: w[:n], mean: mean, inv: inv, dy: table{dy, lddy, n}, dx: table{dx, lddx, n}, acc: acc, dw: dw, db: db}
	if dw == nil && db == nil && dx != nil {
		layerNormInputSpans.rows(rows, n, g)
	} else if dw != nil || db != nil {
		g.gradients(&layerNormGradSpans, 2)
	}
}

// A norm is a call of RMSNorm, LayerNorm or a gradient, with what it has of
// these.
type norm struct {
	x         table
	w, b      []float32
	eps       float32
	y         table
	mean, inv []float32

	rows   int
	dy, dx table
	acc    bool
	dw, db []float32
	sums   []float32 // of dw and db, those of each normRows rows
}

var (
	rmsNormSpans        = spans[norm]{body: norm.rms}
	rmsNormInputSpans   = spans[norm]{body: norm.rmsInput}
	rmsNormGradSpans    = spans[norm]{body: norm.rmsGrad}
	layerNormSpans      = spans[norm]{body: norm.layer}
	layerNormInputSpans = spans[norm]{body: norm.layerInput}
	layerNormGradSpans  = spans[norm]{body: norm.layerGrad}
	normSumSpans        = spans[norm]{body: norm.addSums}
)

// normRows, which the docs above tell, is how many rows weights are summed over by one
// thread on its way over x and dy: as many for any number of threads.
const normRows = 64

// gradients computes all gradients, with so many vectors of weights.
func (l norm) gradients(grad *spans[norm], vectors int) {
	if l.rows == 0 || l.x.n == 0 {
		return
	}
	blocks := ceil(l.rows, normRows)
	spare := borrow(blocks * vectors * l.x.n)
	defer spares.put(spare)
	l.sums = *spare
	clear(l.sums)
	grad.run(blocks, 1, l)
	normSumSpans.columns(blocks*vectors, l.x.n, l)
}

// addSums adds columns of the blocks' sums to dw and db.
func (l norm) addSums(from, to int) {
	block := len(l.sums) / ceil(l.rows, normRows)
	for i := 0; i < len(l.sums); i += block {
		if l.dw != nil {
			add(l.dw[from:to], l.dw[from:to], l.sums[i+from:i+to])
		}
		if l.db != nil {
			add(l.db[from:to], l.db[from:to], l.sums[i+l.x.n+from:i+l.x.n+to])
		}
	}
}

func (l norm) rms(from, to int) {
	for i := from; i < to; i++ {
		x := l.x.row(i)
		l.inv[i] = float32(1 / math.Sqrt(dot(x, x)/float64(len(x))+float64(l.eps)))
		mul(l.y.row(i), l.inv[i], x, l.w)
	}
}

func (l norm) rmsInput(from, to int) {
	for i := from; i < to; i++ {
		x, dy, r := l.x.row(i), l.dy.row(i), float64(l.inv[i])
		along := dot3(x, l.w, dy) / float64(len(x))
		normInput(l.dx.row(i), x, l.w, dy, l.inv[i], 0, float32(r*r*r*along), 0, l.acc)
	}
}

func (l norm) rmsGrad(from, to int) {
	for block := from; block < to; block++ {
		dw := l.sums[block*l.x.n:][:l.x.n]
		for i := block * normRows; i < min((block+1)*normRows, l.rows); i++ {
			mulAdd(dw, l.inv[i], l.x.row(i), l.dy.row(i))
			if l.dx.x != nil {
				l.rmsInput(i, i+1)
			}
		}
	}
}

func (l norm) layer(from, to int) {
	for i := from; i < to; i++ {
		x, y := l.x.row(i), l.y.row(i)
		n := float64(len(x))
		// Squares of float32 are exact in float64: the difference keeps
		// single precision until the mean is 10⁴ standard deviations.
		m, squares := moments(x)
		m /= n
		variance := max(squares/n-m*m, 0)
		l.mean[i], l.inv[i] = float32(m), float32(1/math.Sqrt(variance+float64(l.eps)))
		affine(y, x, l.w, l.b, l.mean[i], l.inv[i])
	}
}

func (l norm) layerInput(from, to int) {
	n := float64(l.x.n)
	for i := from; i < to; i++ {
		x, dy, r := l.x.row(i), l.dy.row(i), float64(l.inv[i])
		level, along := normSums(x, l.w, dy, l.mean[i])
		normInput(l.dx.row(i), x, l.w, dy, l.inv[i], l.mean[i], float32(r*r*r*along/n), float32(r*level/n), l.acc)
	}
}

func (l norm) layerGrad(from, to int) {
	n := l.x.n
	for block := from; block < to; block++ {
		dw, db := l.sums[2*block*n:][:n], l.sums[(2*block+1)*n:][:n]
		for i := block * normRows; i < min((block+1)*normRows, l.rows); i++ {
			normWeights(dw, db, l.x.row(i), l.dy.row(i), l.inv[i], l.mean[i])
			if l.dx.x != nil {
				l.layerInput(i, i+1)
			}
		}
	}
}
