package kernels

// GELU is y = x·Φ(x), element by element, with Φ the normal distribution
// (arXiv 1606.08415, section 2). y may be x. It panics if the lengths differ.
func GELU(y, x []float32) {
	checkLen("GELU", "x", len(x), "y", len(y))
	geluSpans.elements(len(y), vectors{y: y, a: x})
}

// GELUGrad is the gradient of GELU, dx = dy·(Φ(x) + x·φ(x)), added to dx if acc
// is set. dx may be dy if it is not. It panics if the lengths differ.
func GELUGrad(dx, dy, x []float32, acc bool) {
	checkLen("GELUGrad", "dy", len(dy), "dx", len(dx))
	checkLen("GELUGrad", "x", len(x), "dx", len(dx))
	geluGradSpans.elements(len(dx), vectors{y: dx, a: dy, b: x, acc: acc})
}

// GELUTanh is y = ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), element by element, the
// approximation of GELU that GPT-2 and others were trained with. y may be x. It
// panics if the lengths differ.
func GELUTanh(y, x []float32) {
	checkLen("GELUTanh", "x", len(x), "y", len(y))
	geluTanhSpans.elements(len(y), vectors{y: y, a: x})
}

// GELUTanhGrad is the gradient of GELUTanh times dy, added to dx if acc is set. dx
// may be dy if it is not. It panics if the lengths differ.
func GELUTanhGrad(dx, dy, x []float32, acc bool) {
	checkLen("GELUTanhGrad", "dy", len(dy), "dx", len(dx))
	checkLen("GELUTanhGrad", "x", len(x), "dx", len(dx))
	geluTanhGradSpans.elements(len(dx), vectors{y: dx, a: dy, b: x, acc: acc})
}

var (
	geluSpans         = spans[vectors]{body: func(v vectors, i, j int) { gelu(v.y[i:j], v.a[i:j]) }}
	geluGradSpans     = spans[vectors]{body: func(v vectors, i, j int) { geluGrad(v.y[i:j], v.a[i:j], v.b[i:j], v.acc) }}
	geluTanhSpans     = spans[vectors]{body: func(v vectors, i, j int) { geluTanh(v.y[i:j], v.a[i:j]) }}
	geluTanhGradSpans = spans[vectors]{body: func(v vectors, i, j int) { geluTanhGrad(v.y[i:j], v.a[i:j], v.b[i:j], v.acc) }}
)
