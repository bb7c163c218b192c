package kernels

// Exp is y = e^x, element by element, to 2 units in the last place: +Inf above
// 88.72, 0 below -103.98, NaN for NaN. y may be x. It panics if the lengths
// differ.
func Exp(y, x []float32) {
	checkLen("Exp", "x", len(x), "y", len(y))
	if len(y) <= grain {
		expShift(y, x, 1, 0)
		return
	}
	spans(len(y), func(i, j int) { expShift(y[i:j], x[i:j], 1, 0) })
}
