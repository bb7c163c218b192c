package kernels

import (
	"fmt"
	"math/bits"
)

// The checks of arguments. Each panics with one line that names the function,
// the argument and the values: kernels: MatMul: ldb = 7, need at least 8.

// checkSize panics if the size v called name is negative.
func checkSize(fn, name string, v int) {
	if v < 0 {
		panic(fmt.Sprintf("kernels: %s: %s = %d, need at least 0", fn, name, v))
	}
}

// checkMatrix panics unless x holds rows×cols elements at leading dimension ld.
func checkMatrix[T any](fn, name string, rows, cols int, x []T, ld int) {
	checkLength(fn, name, rows, cols, len(x), ld)
}

// checkLength is checkMatrix of an x of n elements.
func checkLength(fn, name string, rows, cols, n, ld int) {
	// The product can be more than an int holds.
	if over, last := bits.Mul64(uint64(rows-1), uint64(ld)); ld < cols || over > 0 || n < cols || uint64(n-cols) < last {
		faultyLength(fn, name, rows, cols, n, ld)
	}
}

// faultyLength panics unless x is too short for nothing but elements that there are
// not. It stands apart so that checkLength is short enough to be inlined.
func faultyLength(fn, name string, rows, cols, n, ld int) {
	if ld < cols {
		panic(fmt.Sprintf("kernels: %s: ld%s = %d, need at least %d (columns of %s)", fn, name, ld, cols, name))
	}
	if rows == 0 || cols == 0 {
		return
	}
	panic(fmt.Sprintf("kernels: %s: len(%s) = %d, need %d (%d rows of %d, ld %d)",
		fn, name, n, (rows-1)*ld+cols, rows, cols, ld))
}

// checkVector panics unless x holds n elements.
func checkVector[T any](fn, name string, n int, x []T) {
	if len(x) < n {
		panic(fmt.Sprintf("kernels: %s: len(%s) = %d, need %d", fn, name, len(x), n))
	}
}

// checkLen panics unless a length called name is want, the length of another
// argument called like.
func checkLen(fn, name string, n int, like string, want int) {
	if n != want {
		panic(fmt.Sprintf("kernels: %s: len(%s) = %d, need %d (len(%s))", fn, name, n, want, like))
	}
}
