package kernels

// GELU is y = x·Φ(x), element by element, with Φ the normal distribution
// (arXiv 1606.08415, section 2). y may be x. It panics if the lengths differ.
func GELU(y, x []float32) {
	checkLen("GELU", "x", len(x), "y", len(y))
	if len(y) <= grain {
		gelu(y, x)
		return
	}
	spans(len(y), func(i, j int) { gelu(y[i:j], x[i:j]) })
}

// GELUGrad is the gradient of GELU, dx = dy·(Φ(x) + x·φ(x)), added to dx if acc
// is set. dx may be dy if it is not. It panics if the lengths differ.
func GELUGrad(dx, dy, x []float32, acc bool) {
	checkLen("GELUGrad", "dy", len(dy), "dx", len(dx))
	checkLen("GELUGrad", "x", len(x), "dx", len(dx))
	if len(dx) <= grain {
		geluGrad(dx, dy, x, acc)
		return
	}
	spans(len(dx), func(i, j int) { geluGrad(dx[i:j], dy[i:j], x[i:j], acc) })
}

// GELUTanh is y = ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), element by element, the
// approximation of GELU that GPT-2 and others were trained with. y may be x. It
// panics if the lengths differ.
func GELUTanh(y, x []float32) {
	checkLen("GELUTanh", "x", len(x), "y", len(y))
	if len(y) <= grain {
		geluTanh(y, x)
		return
	}
	spans(len(y), func(i, j int) { geluTanh(y[i:j], x[i:j]) })
}

// GELUTanhGrad is the gradient of GELUTanh times dy, added to dx if acc is set. dx
// may be dy if it is not. It panics if the lengths differ.
func GELUTanhGrad(dx, dy, x []float32, acc bool) {
	checkLen("GELUTanhGrad", "dy", len(dy), "dx", len(dx))
	checkLen("GELUTanhGrad", "x", len(x), "dx", len(dx))
	if len(dx) <= grain {
		geluTanhGrad(dx, dy, x, acc)
		return
	}
	spans(len(dx), func(i, j int) { geluTanhGrad(dx[i:j], dy[i:j], x[i:j], acc) })
}
