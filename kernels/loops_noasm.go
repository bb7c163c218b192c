//go:build (!amd64 && !arm64) || purego

package kernels

func dot(x, y []float32) float64 {
	return dotGeneric(x, y)
}

func dot3(x, y, z []float32) float64 {
	return dot3Generic(x, y, z)
}

func maximum(x []float32) float32 {
	return maximumGeneric(x)
}

func axpy(alpha float32, x, y []float32) {
	axpyGeneric(alpha, x, y)
}

func scale(y []float32, alpha float32, x []float32) {
	scaleGeneric(y, alpha, x)
}

func normWeights(dw, db, x, dy []float32, alpha, shift float32) {
	normWeightsGeneric(dw, db, x, dy, alpha, shift)
}

func add(dst, a, b []float32) {
	addGeneric(dst, a, b)
}

func mul(dst []float32, alpha float32, a, b []float32) {
	mulGeneric(dst, alpha, a, b)
}

func mulAdd(dst []float32, alpha float32, a, b []float32) {
	mulAddGeneric(dst, alpha, a, b)
}

func expShift(y, x []float32, scale, shift float32) float64 {
	return expShiftGeneric(y, x, scale, shift)
}

func siluMul(y, gate, up []float32) {
	siluMulGeneric(y, gate, up)
}

func siluMulGrad(dgate, dup, dy, gate, up []float32, acc bool) {
	siluMulGradGeneric(dgate, dup, dy, gate, up, acc)
}

func gelu(y, x []float32) {
	geluGeneric(y, x)
}

func geluGrad(dx, dy, x []float32, acc bool) {
	geluGradGeneric(dx, dy, x, acc)
}

func geluTanh(y, x []float32) {
	geluTanhGeneric(y, x)
}

func geluTanhGrad(dx, dy, x []float32, acc bool) {
	geluTanhGradGeneric(dx, dy, x, acc)
}

func adamw(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32) {
	adamwGeneric(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
}
