//go:build !purego

package kernels

// The loops by level.

func dot(x, y []float32) float64 {
	if active == Generic {
		return dotGeneric(x, y)
	}
	return dotNEON(x, y)
}

func dot3(x, y, z []float32) float64 {
	if active == Generic {
		return dot3Generic(x, y, z)
	}
	return dot3NEON(x, y, z)
}

func maximum(x []float32) float32 {
	if active == Generic {
		return maximumGeneric(x)
	}
	return maximumNEON(x)
}

func axpy(alpha float32, x, y []float32) {
	if active == Generic {
		axpyGeneric(alpha, x, y)
		return
	}
	axpyNEON(alpha, x, y)
}

func scale(y []float32, alpha float32, x []float32) {
	if active == Generic {
		scaleGeneric(y, alpha, x)
		return
	}
	scaleNEON(y, alpha, x)
}

func normWeights(dw, db, x, dy []float32, alpha, shift float32) {
	if active == Generic {
		normWeightsGeneric(dw, db, x, dy, alpha, shift)
		return
	}
	normWeightsNEON(dw, db, x, dy, alpha, shift)
}

func add(dst, a, b []float32) {
	if active == Generic {
		addGeneric(dst, a, b)
		return
	}
	addNEON(dst, a, b)
}

func mul(dst []float32, alpha float32, a, b []float32) {
	if active == Generic {
		mulGeneric(dst, alpha, a, b)
		return
	}
	mulNEON(dst, alpha, a, b)
}

func mulAdd(dst []float32, alpha float32, a, b []float32) {
	if active == Generic {
		mulAddGeneric(dst, alpha, a, b)
		return
	}
	mulAddNEON(dst, alpha, a, b)
}

func expShift(y, x []float32, scale, shift float32) float64 {
	if active == Generic {
		return expShiftGeneric(y, x, scale, shift)
	}
	return expShiftNEON(y, x, scale, shift)
}

func siluMul(y, gate, up []float32) {
	if active == Generic {
		siluMulGeneric(y, gate, up)
		return
	}
	siluMulNEON(y, gate, up)
}

func siluMulGrad(dgate, dup, dy, gate, up []float32, acc bool) {
	if active == Generic {
		siluMulGradGeneric(dgate, dup, dy, gate, up, acc)
		return
	}
	siluMulGradNEON(dgate, dup, dy, gate, up, acc)
}

func gelu(y, x []float32) {
	if active == Generic {
		geluGeneric(y, x)
		return
	}
	geluNEON(y, x)
}

func geluGrad(dx, dy, x []float32, acc bool) {
	if active == Generic {
		geluGradGeneric(dx, dy, x, acc)
		return
	}
	geluGradNEON(dx, dy, x, acc)
}

func geluTanh(y, x []float32) {
	if active == Generic {
		geluTanhGeneric(y, x)
		return
	}
	geluTanhNEON(y, x)
}

func geluTanhGrad(dx, dy, x []float32, acc bool) {
	if active == Generic {
		geluTanhGradGeneric(dx, dy, x, acc)
		return
	}
	geluTanhGradNEON(dx, dy, x, acc)
}

func adamw(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32) {
	if active == Generic {
		adamwGeneric(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
		return
	}
	adamwNEON(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
}

//go:noescape
func dotNEON(x, y []float32) float64

//go:noescape
func dot3NEON(x, y, z []float32) float64

//go:noescape
func maximumNEON(x []float32) float32

//go:noescape
func axpyNEON(alpha float32, x, y []float32)

//go:noescape
func scaleNEON(y []float32, alpha float32, x []float32)

//go:noescape
func normWeightsNEON(dw, db, x, dy []float32, alpha, shift float32)

//go:noescape
func addNEON(dst, a, b []float32)

//go:noescape
func mulNEON(dst []float32, alpha float32, a, b []float32)

//go:noescape
func mulAddNEON(dst []float32, alpha float32, a, b []float32)

//go:noescape
func expShiftNEON(y, x []float32, scale, shift float32) float64

//go:noescape
func siluMulNEON(y, gate, up []float32)

//go:noescape
func siluMulGradNEON(dgate, dup, dy, gate, up []float32, acc bool)

//go:noescape
func geluNEON(y, x []float32)

//go:noescape
func geluGradNEON(dx, dy, x []float32, acc bool)

//go:noescape
func geluTanhNEON(y, x []float32)

//go:noescape
func geluTanhGradNEON(dx, dy, x []float32, acc bool)

//go:noescape
func adamwNEON(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32)
