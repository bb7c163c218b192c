package kernels

// Exp is y = e^x, element by element, to 2 units in the last place: +Inf above
// 88.72, 0 below -103.98, NaN for NaN. y may be x. It panics if the lengths
// differ.
func Exp(y, x []float32) {
	checkLen("Exp", "x", len(x), "y", len(y))
	expSpans.elements(len(y), vectors{y: y, a: x})
}

var expSpans = spans[vectors]{body: func(v vectors, i, j int) { expShift(v.y[i:j], v.a[i:j], 1, 0) }}
