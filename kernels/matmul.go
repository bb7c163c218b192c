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
	var left, right matrix
	if op == TN {
		checkMatrix("MatMul", "a", k, m, a, lda)
		checkMatrix("MatMul", "b", k, n, b, ldb)
		left, right = matrix{a, 1, lda}, matrix{b, ldb, 1}
	} else {
		checkMatrix("MatMul", "a", m, k, a, lda)
		right = checkRight("MatMul", "b", op, k, n, b, ldb)
		left = matrix{a, lda, 1}
	}
	checkMatrix("MatMul", "c", m, n, c, ldc)

	multiply(active, acc, m, n, k, left, right, c, ldc)
}

func multiply(l Level, acc bool, m, n, k int, a, b matrix, c []float32, ldc int) {
	if n == 1 && ldc == 1 && (a.row == 1 || m > maxRows) {
		// A column that is also a row: computed as one, its sums fill vectors.
		m, n, a, b, ldc = 1, m, b.transposed(), a.transposed(), m
	}
	if s := &shapes[l]; s.small(m, n, k, b) {
		multiplySmall(l, s, acc, m, n, k, a, b, c, ldc)
		return
	}
	g := products.get()
	g.level, g.acc, g.m, g.n, g.k = l, acc, m, n, k
	g.a, g.b, g.c, g.ldc = a, b, c, ldc
	g.multiply()
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
