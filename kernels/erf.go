package kernels

// Erf is the error function y = 2/√π·∫exp(-t²)dt from 0 to x, element by element, to
// 2 units in the last place: ±1 for ±Inf, NaN for NaN. y may be x. It panics if the
// lengths differ.
func Erf(y, x []float32) {
	checkLen("Erf", "x", len(x), "y", len(y))
	erfSpans.elements(len(y), vectors{y: y, a: x})
}

var erfSpans = spans[vectors]{body: func(v vectors, i, j int) { erf(v.y[i:j], v.a[i:j]) }}
