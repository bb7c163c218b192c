package kernels

import "fmt"

// An Op says which operands of a product are given transposed.
type Op uint8

// The products. T marks the operand that is held as its transpose.
const (
	NN Op = iota // C = A·B:  a is m×k, b is k×n
	NT           // C = A·Bᵀ: a is m×k, b is n×k
	TN           // C = Aᵀ·B: a is k×m, b is k×n
)

// String returns the name of the constant.
func (op Op) String() string {
	switch op {
	case NN:
		return "NN"
	case NT:
		return "NT"
	case TN:
		return "TN"
	}
	return fmt.Sprintf("Op(%d)", uint8(op))
}

// MatMul computes the product C (m×n) = A·B, or C += A·B if acc is set, where
// op says how a and b hold A (m×k) and B (k×n):
//
//	for i := range m {
//		for j := range n {
//			var sum float32
//			for p := range k {
//				sum += A[i][p] * B[p][j]
//			}
//			C[i][j] = sum // or C[i][j] += sum
//		}
//	}
//
// with the sum in the order that the package's doc tells. It panics if an
// operand is too short or a size negative.
func MatMul(op Op, acc bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	checkSize("MatMul", "m", m)
	checkSize("MatMul", "n", n)
	checkSize("MatMul", "k", k)
	var o operation
	o.a.x, o.b.x, o.c, o.ldc = a, b, c, ldc
	o.a.row, o.a.col, o.b.row, o.b.col = lda, 1, ldb, 1
	switch op {
	case NN:
		checkMatrix("MatMul", "a", m, k, a, lda)
		checkMatrix("MatMul", "b", k, n, b, ldb)
	case NT:
		checkMatrix("MatMul", "a", m, k, a, lda)
		checkMatrix("MatMul", "b", n, k, b, ldb)
		o.b.row, o.b.col = 1, ldb
	case TN:
		checkMatrix("MatMul", "a", k, m, a, lda)
		checkMatrix("MatMul", "b", k, n, b, ldb)
		o.a.row, o.a.col = 1, lda
	default:
		checkHeld("MatMul", "b", op, k, n)
	}
	checkMatrix("MatMul", "c", m, n, c, ldc)
	o.level, o.acc, o.m, o.n, o.k = active, acc, m, n, k
	o.multiply()
}

// multiply computes the operation, whose arguments have been checked.
func (o *operation) multiply() {
	if o.n == 1 && o.ldc == 1 && (o.a.row == 1 || o.m > maxRows) {
		// A column that is also a row: computed as one, its sums fill vectors.
		o.m, o.n, o.ldc = 1, o.m, o.m
		a, b := &o.a, &o.b
		a.x, a.row, a.col, b.x, b.row, b.col = b.x, b.col, b.row, a.x, a.col, a.row
	} else if o.m == 1 && 1 < o.n && o.n < dotLeast && o.b.row == 1 && o.b.col > 1 && o.a.col == 1 {
		// A row that is also a column: computed as one, B is read where it lies.
		o.m, o.n, o.ldc = o.n, 1, 1
		a, b := &o.a, &o.b
		a.x, a.row, a.col, b.x, b.row, b.col = b.x, b.col, b.row, a.x, a.col, a.row
	}
	// What cannot be one of the special ways takes no time to ask for them.
	if o.m < 2*dotWide && (o.b.row != 1 || o.n < dotWide) && o.isSmall() {
		o.small()
		return
	}
	few := o.fewColumns()
	if 0 < few && few < o.n {
		last := *o
		o.n -= few
		last.n, last.b, last.c = few, o.b.at(0, o.n), o.c[o.n:]
		last.multiply()
		few = 0
	}
	how, small := o.dotting(), o.isSmall()
	switch {
	case how == dotted && small && o.m > 1:
		o.byDots(0, o.n)
		return
	case how == notDotted && few > 0 && o.alone() && !shapes[o.level].streams(true, few, o.a.transposed(), o.k, o.m):
		o.columns()
		return
	case how != dottedTurned && small:
		o.small()
		return
	}
	g := products.get()
	g.operation = *o
	if how != notDotted {
		g.multiplyDots(how)
	} else {
		g.multiply()
	}
	g.release()
}

// MatMulPacked computes C (m×n) = A·P, or C += A·P if acc is set: the bits of
// MatMul with the operand that P was packed from. a is m×k.
func MatMulPacked(acc bool, m int, a []float32, lda int, p *Packed, c []float32, ldc int) {
	checkSize("MatMulPacked", "m", m)
	checkMatrix("MatMulPacked", "a", m, p.k, a, lda)
	checkMatrix("MatMulPacked", "c", m, p.n, c, ldc)

	g := products.get()
	g.level, g.acc, g.m, g.n, g.k = p.level, acc, m, p.n, p.k
	g.a, g.packed, g.c, g.ldc = matrix{a, lda, 1}, p, c, ldc
	g.multiply()
	g.release()
}

// checkRight checks a right-hand operand (k×n) and returns it as a matrix.
func checkRight(fn, name string, op Op, k, n int, b []float32, ldb int) matrix {
	rows, cols := checkHeld(fn, name, op, k, n)
	checkMatrix(fn, name, rows, cols, b, ldb)
	if op == NT {
		return matrix{b, 1, ldb}
	}
	return matrix{b, ldb, 1}
}

// checkHeld returns the shape that op holds a right-hand operand (k×n) in.
func checkHeld(fn, name string, op Op, k, n int) (rows, cols int) {
	checkSize(fn, "k", k)
	checkSize(fn, "n", n)
	switch op {
	case NN:
		return k, n
	case NT:
		return n, k
	}
	panic(fmt.Sprintf("kernels: %s: op = %v, cannot say how %s is held", fn, op, name))
}
