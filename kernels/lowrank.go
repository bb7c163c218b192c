package kernels

// MatMulPackedPlus computes C (m×n) = A·P + U·Q, or C += A·P + U·Q if acc is set,
// in one pass over C: the r columns of U follow those of A at the end of the sum
// over k, in the same tiles. a is m×k and u is m×r; op says how q holds Q (r×n):
// NN as r×n, NT as n×r. It panics if an operand is too short or a size negative.
func MatMulPackedPlus(acc bool, m int, a []float32, lda int, p *Packed, op Op, r int, u []float32, ldu int, q []float32, ldq int, c []float32, ldc int) {
	matMulPackedPlus("MatMulPackedPlus", acc, m, a, lda, p, op, r, u, ldu, q, ldq, nil, c, ldc)
}

// MatMulPackedFrom is MatMulPackedPlus of a C whose rows begin as bias, n elements:
// C_ij = bias_j, and then C += A·P + U·Q. A nil bias is zeros.
func MatMulPackedFrom(bias []float32, m int, a []float32, lda int, p *Packed, op Op, r int, u []float32, ldu int, q []float32, ldq int, c []float32, ldc int) {
	const fn = "MatMulPackedFrom"
	checkBias(fn, p.n, bias)
	matMulPackedPlus(fn, false, m, a, lda, p, op, r, u, ldu, q, ldq, bias, c, ldc)
}

// checkBias checks a bias, if there is one.
func checkBias(fn string, n int, bias []float32) {
	if bias != nil {
		checkVector(fn, "bias", n, bias)
	}
}

func matMulPackedPlus(fn string, acc bool, m int, a []float32, lda int, p *Packed, op Op, r int, u []float32, ldu int, q []float32, ldq int, bias, c []float32, ldc int) {
	checkSize(fn, "m", m)
	checkMatrix(fn, "a", m, p.k, a, lda)
	right := checkRight(fn, "q", op, r, p.n, q, ldq)
	checkMatrix(fn, "u", m, r, u, ldu)
	checkMatrix(fn, "c", m, p.n, c, ldc)
	multiplyPlus(acc, m, matrix{a, lda, 1}, p, r, matrix{u, ldu, 1}, right, bias, c, ldc)
}

func multiplyPlus(acc bool, m int, a matrix, p *Packed, r int, u, q matrix, bias, c []float32, ldc int) {
	g := products.get()
	g.level, g.acc, g.m, g.n, g.k, g.bias = p.level, acc || bias != nil, m, p.n, p.k, bias
	g.a, g.packed, g.c, g.ldc = a, p, c, ldc
	g.r, g.u, g.q = r, u, q
	g.multiply()
	g.release()
}

// LowRankForward computes a linear map with a low-rank term,
//
//	u = s·x·Aᵀ
//	y = x·W0ᵀ + u·Bᵀ
//
// with u (m×r) kept for the gradients and the second line in one pass over y
// (m×out), whose rows begin as bias, out elements, or if that is nil as zeros. x is
// m×in, a is r×in, b is out×r and w is W0ᵀ (in×out) packed: of a W0
// that is held as out×in, Pack(NT, in, out, W0, in). This is eq. 3 of LoRA,
// arXiv 2106.09685. It panics if an operand is too short or a size negative.
func LowRankForward(m, r int, x []float32, ldx int, w *Packed, a []float32, lda int, b []float32, ldb int, s float32, u []float32, ldu int, bias, y []float32, ldy int) {
	const fn = "LowRankForward"
	checkSize(fn, "m", m)
	checkSize(fn, "r", r)
	checkMatrix(fn, "x", m, w.k, x, ldx)
	checkMatrix(fn, "a", r, w.k, a, lda)
	checkMatrix(fn, "b", w.n, r, b, ldb)
	checkMatrix(fn, "u", m, r, u, ldu)
	checkBias(fn, w.n, bias)
	checkMatrix(fn, "y", m, w.n, y, ldy)

	left := matrix{x, ldx, 1}
	(&operation{w.level, false, m, r, w.k, left, matrix{a, 1, lda}, u, ldu}).multiply()
	scaleMatrix(m, r, s, u, ldu)
	multiplyPlus(false, m, left, w, r, matrix{u, ldu, 1}, matrix{b, 1, ldb}, bias, y, ldy)
}

// LowRankInputGrad computes the gradient of LowRankForward by its input,
//
//	v  = s·dy·B
//	dx = dy·W0 + v·A, or dx += dy·W0 + v·A if acc is set,
//
// with v (m×r) kept for the gradients by A and B. dy is m×out, a is r×in, b is
// out×r, dx is m×in and w is W0 (out×in) packed: Pack(NN, out, in, W0, in). It
// panics if an operand is too short or a size negative.
func LowRankInputGrad(acc bool, m, r int, dy []float32, lddy int, w *Packed, a []float32, lda int, b []float32, ldb int, s float32, v []float32, ldv int, dx []float32, lddx int) {
	const fn = "LowRankInputGrad"
	checkSize(fn, "m", m)
	checkSize(fn, "r", r)
	checkMatrix(fn, "dy", m, w.k, dy, lddy)
	checkMatrix(fn, "a", r, w.n, a, lda)
	checkMatrix(fn, "b", w.k, r, b, ldb)
	checkMatrix(fn, "v", m, r, v, ldv)
	checkMatrix(fn, "dx", m, w.n, dx, lddx)

	left := matrix{dy, lddy, 1}
	(&operation{w.level, false, m, r, w.k, left, matrix{b, ldb, 1}, v, ldv}).multiply()
	scaleMatrix(m, r, s, v, ldv)
	multiplyPlus(acc, m, left, w, r, matrix{v, ldv, 1}, matrix{a, lda, 1}, nil, dx, lddx)
}

// LowRankFactorGrads computes the gradients of LowRankForward by its factors,
//
//	dA = vᵀ·x  (r×in)
//	dB = dyᵀ·u (out×r)
//
// or adds them to da and db if acc is set. u and v are m×r, as LowRankForward and
// LowRankInputGrad left them; x is m×in and dy is m×out. A factor that is frozen
// is given as a nil da or db, and then v and x, or dy and u, may be nil too. It
// panics if an operand is too short or a size negative.
func LowRankFactorGrads(acc bool, m, r, in, out int, x []float32, ldx int, dy []float32, lddy int, u []float32, ldu int, v []float32, ldv int, da []float32, ldda int, db []float32, lddb int) {
	const fn = "LowRankFactorGrads"
	checkSize(fn, "m", m)
	checkSize(fn, "r", r)
	checkSize(fn, "in", in)
	checkSize(fn, "out", out)
	if da != nil {
		checkMatrix(fn, "x", m, in, x, ldx)
		checkMatrix(fn, "v", m, r, v, ldv)
		checkMatrix(fn, "da", r, in, da, ldda)
	}
	if db != nil {
		checkMatrix(fn, "dy", m, out, dy, lddy)
		checkMatrix(fn, "u", m, r, u, ldu)
		checkMatrix(fn, "db", out, r, db, lddb)
	}
	g := factorGradients{
		acc: acc, m: m, r: r,
		x: matrix{x, ldx, 1}, v: matrix{v, ldv, 1}, da: matrix{da, ldda, 1},
		dy: matrix{dy, lddy, 1}, u: matrix{u, ldu, 1}, db: matrix{db, lddb, 1},
	}
	if da != nil {
		g.in = in
	}
	if db != nil {
		g.out = out
	}
	g.run()
}

// factorGradients is a call of LowRankFactorGrads; in or out is 0 without the factor.
type factorGradients struct {
	acc          bool
	m, r         int
	in, out      int
	x, v, da     matrix
	dy, u, db    matrix
	inBlocks, by int // jobs are so many columns of x, the first ones, or of dy
}

var factorSpans = spans[factorGradients]{body: factorGradients.blocks}

// run computes the gradients. Their products have the few rows of a factor, so threads
// share columns: of both products together if one has too few for them.
func (g factorGradients) run() {
	s := &shapes[active]
	together := max(g.in, g.out) < 4*s.wide*Threads() && g.m*g.r*(g.in+g.out) >= parallelWork && Threads() > 1
	if g.by = max(1, g.in, g.out); together {
		g.by = 2 * s.wide
	}
	g.inBlocks = ceil(g.in, g.by)
	if jobs := g.inBlocks + ceil(g.out, g.by); together {
		factorSpans.run(jobs, 1, g)
	} else {
		g.blocks(0, jobs)
	}
}

// blocks computes some jobs.
func (g factorGradients) blocks(from, to int) {
	for i := from; i < to; i++ {
		if j := i * g.by; i < g.inBlocks {
			(&operation{active, g.acc, g.r, min(g.by, g.in-j), g.m, g.v.transposed(), g.x.at(0, j), g.da.at(0, j).x, g.da.row}).multiply()
		} else {
			j -= g.inBlocks * g.by
			(&operation{active, g.acc, min(g.by, g.out-j), g.r, g.m, g.dy.at(0, j).transposed(), g.u, g.db.at(j, 0).x, g.db.row}).multiply()
		}
	}
}

// scaleMatrix multiplies x (rows×cols) by s.
func scaleMatrix(rows, cols int, s float32, x []float32, ldx int) {
	if rows == 0 || cols == 0 {
		return // x may be empty whatever ldx is
	}
	if ldx == cols { // one row
		rows, cols = 1, rows*cols
	}
	scaleRows(x[:cols], ldx, x[:cols], ldx, []float32{s}, 0, rows)
}
