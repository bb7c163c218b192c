//go:build !purego

package kernels

// The loops by level; AVX-512 has no loops of its own.

func dot(x, y []float32) float64 {
	if active == Generic {
		return dotGeneric(x, y)
	}
	return dotAVX2(x, y)
}

func dot3(x, y, z []float32) float64 {
	if active == Generic {
		return dot3Generic(x, y, z)
	}
	return dot3AVX2(x, y, z)
}

func sum(x []float32) float64 {
	if active == Generic {
		return sumGeneric(x)
	}
	return sumAVX2(x)
}

func maximum(x []float32) float32 {
	if active == Generic {
		return maximumGeneric(x)
	}
	return maximumAVX2(x)
}

func axpy(alpha float32, x, y []float32) {
	if active == Generic {
		axpyGeneric(alpha, x, y)
		return
	}
	axpyAVX2(alpha, x, y)
}

func scale(y []float32, alpha float32, x []float32) {
	if active == Generic {
		scaleGeneric(y, alpha, x)
		return
	}
	scaleAVX2(y, alpha, x)
}

func shiftScale(y []float32, alpha float32, x []float32, shift float32) {
	if active == Generic {
		shiftScaleGeneric(y, alpha, x, shift)
		return
	}
	shiftScaleAVX2(y, alpha, x, shift)
}

func add(dst, a, b []float32) {
	if active == Generic {
		addGeneric(dst, a, b)
		return
	}
	addAVX2(dst, a, b)
}

func mul(dst []float32, alpha float32, a, b []float32) {
	if active == Generic {
		mulGeneric(dst, alpha, a, b)
		return
	}
	mulAVX2(dst, alpha, a, b)
}

func mulAdd(dst []float32, alpha float32, a, b []float32) {
	if active == Generic {
		mulAddGeneric(dst, alpha, a, b)
		return
	}
	mulAddAVX2(dst, alpha, a, b)
}

func expShift(y, x []float32, scale, shift float32) float64 {
	if active == Generic {
		return expShiftGeneric(y, x, scale, shift)
	}
	return expShiftAVX2(y, x, scale, shift)
}

func siluMul(y, gate, up []float32) {
	if active == Generic {
		siluMulGeneric(y, gate, up)
		return
	}
	siluMulAVX2(y, gate, up)
}

func siluMulGrad(dgate, dup, dy, gate, up []float32, acc bool) {
	if active == Generic {
		siluMulGradGeneric(dgate, dup, dy, gate, up, acc)
		return
	}
	siluMulGradAVX2(dgate, dup, dy, gate, up, acc)
}

func gelu(y, x []float32) {
	if active == Generic {
		geluGeneric(y, x)
		return
	}
	geluAVX2(y, x)
}

func geluGrad(dx, dy, x []float32, acc bool) {
	if active == Generic {
		geluGradGeneric(dx, dy, x, acc)
		return
	}
	geluGradAVX2(dx, dy, x, acc)
}

func geluTanh(y, x []float32) {
	if active == Generic {
		geluTanhGeneric(y, x)
		return
	}
	geluTanhAVX2(y, x)
}

func geluTanhGrad(dx, dy, x []float32, acc bool) {
	if active == Generic {
		geluTanhGradGeneric(dx, dy, x, acc)
		return
	}
	geluTanhGradAVX2(dx, dy, x, acc)
}

func rotate(y1, y2, x1, x2, cos, sin []float32, sign float32, acc bool) {
	if active == Generic {
		rotateGeneric(y1, y2, x1, x2, cos, sin, sign, acc)
		return
	}
	rotateAVX2(y1, y2, x1, x2, cos, sin, sign, acc)
}

func adamw(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32) {
	if active == Generic {
		adamwGeneric(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
		return
	}
	adamwAVX2(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
}

//go:noescape
func dotAVX2(x, y []float32) float64

//go:noescape
func dot3AVX2(x, y, z []float32) float64

//go:noescape
func sumAVX2(x []float32) float64

//go:noescape
func maximumAVX2(x []float32) float32

//go:noescape
func axpyAVX2(alpha float32, x, y []float32)

//go:noescape
func scaleAVX2(y []float32, alpha float32, x []float32)

//go:noescape
func shiftScaleAVX2(y []float32, alpha float32, x []float32, shift float32)

//go:noescape
func addAVX2(dst, a, b []float32)

//go:noescape
func mulAVX2(dst []float32, alpha float32, a, b []float32)

//go:noescape
func mulAddAVX2(dst []float32, alpha float32, a, b []float32)

//go:noescape
func expShiftAVX2(y, x []float32, scale, shift float32) float64

//go:noescape
func siluMulAVX2(y, gate, up []float32)

//go:noescape
func siluMulGradAVX2(dgate, dup, dy, gate, up []float32, acc bool)

//go:noescape
func geluAVX2(y, x []float32)

//go:noescape
func geluGradAVX2(dx, dy, x []float32, acc bool)

//go:noescape
func geluTanhAVX2(y, x []float32)

//go:noescape
func geluTanhGradAVX2(dx, dy, x []float32, acc bool)

//go:noescape
func rotateAVX2(y1, y2, x1, x2, cos, sin []float32, sign float32, acc bool)

//go:noescape
func adamwAVX2(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32)
