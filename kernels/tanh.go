package kernels

// Tanh is y = tanh x, element by element, to 2 units in the last place: ±1 for
// ±Inf, NaN for NaN. y may be x. It panics if the lengths differ.
func Tanh(y, x []float32) {
	checkLen("Tanh", "x", len(x), "y", len(y))
	tanhSpans.elements(len(y), vectors{y: y, a: x})
}

var tanhSpans = spans[vectors]{body: func(v vectors, i, j int) { tanh(v.y[i:j], v.a[i:j]) }}
