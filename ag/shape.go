package ag

// sameShape fails unless a and b, called by their names, have one shape, which
// it returns.
func sameShape(op, aName string, a Tensor, bName string, b Tensor) (rows, cols int) {
	rows, cols = Dims(a)
	if r, c := Dims(b); r != rows || c != cols {
		fail(op, "%s is %d×%d, %s is %d×%d: both must have one shape", aName, rows, cols, bName, r, c)
	}
	return rows, cols
}

// rowVector fails unless w, called name, is 1×n where x has n columns.
func rowVector(op, name string, w, x Tensor) {
	m, n := Dims(x)
	if r, c := Dims(w); r != 1 || c != n {
		fail(op, "x is %d×%d, %s is %d×%d: %s must be 1×%d", m, n, name, r, c, name, n)
	}
}

// oneEach fails unless there is one of the values, called name, for each entry
// of x.
func oneEach(op, name string, values []float32, x Tensor) {
	if m, n := Dims(x); len(values) != m*n {
		fail(op, "x is %d×%d, %d %s: must be one an entry", m, n, len(values), name)
	}
}
