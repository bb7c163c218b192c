//go:build !purego

package kernels

// The loops by level.

func dot(x, y []float32) float64 {
	switch active {
	case Generic:
		return dotGeneric(x, y)
	case AVX512:
		return dotAVX512(x, y)
	}
	return dotAVX2(x, y)
}

func dot3(x, y, z []float32) float64 {
	switch active {
	case Generic:
		return dot3Generic(x, y, z)
	case AVX512:
		return dot3AVX512(x, y, z)
	}
	return dot3AVX2(x, y, z)
}

func maximum(x []float32) float32 {
	switch active {
	case Generic:
		return maximumGeneric(x)
	case AVX512:
		return maximumAVX512(x)
	}
	return maximumAVX2(x)
}

func axpy(alpha float32, x, y []float32) {
	switch active {
	case Generic:
		axpyGeneric(alpha, x, y)
	case AVX512:
		axpyAVX512(alpha, x, y)
	default:
		axpyAVX2(alpha, x, y)
	}
}

func scale(y []float32, alpha float32, x []float32) {
	switch active {
	case Generic:
		scaleGeneric(y, alpha, x)
	case AVX512:
		scaleAVX512(y, alpha, x)
	default:
		scaleAVX2(y, alpha, x)
	}
}

func normWeights(dw, db, x, dy []float32, alpha, shift float32) {
	switch active {
	case Generic:
		normWeightsGeneric(dw, db, x, dy, alpha, shift)
	case AVX512:
		normWeightsAVX512(dw, db, x, dy, alpha, shift)
	default:
		normWeightsAVX2(dw, db, x, dy, alpha, shift)
	}
}

func add(dst, a, b []float32) {
	switch active {
	case Generic:
		addGeneric(dst, a, b)
	case AVX512:
		addAVX512(dst, a, b)
	default:
		addAVX2(dst, a, b)
	}
}

func mul(dst []float32, alpha float32, a, b []float32) {
	switch active {
	case Generic:
		mulGeneric(dst, alpha, a, b)
	case AVX512:
		mulAVX512(dst, alpha, a, b)
	default:
		mulAVX2(dst, alpha, a, b)
	}
}

func mulAdd(dst []float32, alpha float32, a, b []float32) {
	switch active {
	case Generic:
		mulAddGeneric(dst, alpha, a, b)
	case AVX512:
		mulAddAVX512(dst, alpha, a, b)
	default:
		mulAddAVX2(dst, alpha, a, b)
	}
}

func expShift(y, x []float32, scale, shift float32) float64 {
	switch active {
	case Generic:
		return expShiftGeneric(y, x, scale, shift)
	case AVX512:
		return expShiftAVX512(y, x, scale, shift)
	}
	return expShiftAVX2(y, x, scale, shift)
}

func siluMul(y, gate, up []float32) {
	switch active {
	case Generic:
		siluMulGeneric(y, gate, up)
	case AVX512:
		siluMulAVX512(y, gate, up)
	default:
		siluMulAVX2(y, gate, up)
	}
}

func siluMulGrad(dgate, dup, dy, gate, up []float32, acc bool) {
	switch active {
	case Generic:
		siluMulGradGeneric(dgate, dup, dy, gate, up, acc)
	case AVX512:
		siluMulGradAVX512(dgate, dup, dy, gate, up, acc)
	default:
		siluMulGradAVX2(dgate, dup, dy, gate, up, acc)
	}
}

func gelu(y, x []float32) {
	switch active {
	case Generic:
		geluGeneric(y, x)
	case AVX512:
		geluAVX512(y, x)
	default:
		geluAVX2(y, x)
	}
}

func geluGrad(dx, dy, x []float32, acc bool) {
	switch active {
	case Generic:
		geluGradGeneric(dx, dy, x, acc)
	case AVX512:
		geluGradAVX512(dx, dy, x, acc)
	default:
		geluGradAVX2(dx, dy, x, acc)
	}
}

func geluTanh(y, x []float32) {
	switch active {
	case Generic:
		geluTanhGeneric(y, x)
	case AVX512:
		geluTanhAVX512(y, x)
	default:
		geluTanhAVX2(y, x)
	}
}

func geluTanhGrad(dx, dy, x []float32, acc bool) {
	switch active {
	case Generic:
		geluTanhGradGeneric(dx, dy, x, acc)
	case AVX512:
		geluTanhGradAVX512(dx, dy, x, acc)
	default:
		geluTanhGradAVX2(dx, dy, x, acc)
	}
}

func adamw(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32) {
	switch active {
	case Generic:
		adamwGeneric(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
	case AVX512:
		adamwAVX512(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
	default:
		adamwAVX2(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
	}
}

//go:noescape
func dotAVX2(x, y []float32) float64

//go:noescape
func dot3AVX2(x, y, z []float32) float64

//go:noescape
func maximumAVX2(x []float32) float32

//go:noescape
func axpyAVX2(alpha float32, x, y []float32)

//go:noescape
func scaleAVX2(y []float32, alpha float32, x []float32)

//go:noescape
func normWeightsAVX2(dw, db, x, dy []float32, alpha, shift float32)

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
func adamwAVX2(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32)

//go:noescape
func dotAVX512(x, y []float32) float64

//go:noescape
func dot3AVX512(x, y, z []float32) float64

//go:noescape
func maximumAVX512(x []float32) float32

//go:noescape
func axpyAVX512(alpha float32, x, y []float32)

//go:noescape
func scaleAVX512(y []float32, alpha float32, x []float32)

//go:noescape
func normWeightsAVX512(dw, db, x, dy []float32, alpha, shift float32)

//go:noescape
func addAVX512(dst, a, b []float32)

//go:noescape
func mulAVX512(dst []float32, alpha float32, a, b []float32)

//go:noescape
func mulAddAVX512(dst []float32, alpha float32, a, b []float32)

//go:noescape
func expShiftAVX512(y, x []float32, scale, shift float32) float64

//go:noescape
func siluMulAVX512(y, gate, up []float32)

//go:noescape
func siluMulGradAVX512(dgate, dup, dy, gate, up []float32, acc bool)

//go:noescape
func geluAVX512(y, x []float32)

//go:noescape
func geluGradAVX512(dx, dy, x []float32, acc bool)

//go:noescape
func geluTanhAVX512(y, x []float32)

//go:noescape
func geluTanhGradAVX512(dx, dy, x []float32, acc bool)

//go:noescape
func adamwAVX512(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32)
