//go:build !amd64 || purego

package kernels

func rotateHeads(y, x, cos, sin []float32, sign float32, acc bool) {
	for h := len(cos); len(y) > 0; y, x = y[2*h:], x[2*h:] {
		rotate(y[:h], y[h:2*h], x[:h], x[h:2*h], cos, sin, sign, acc)
	}
}

func scaleRows(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int) {
	n := len(y)
	y, x = y[:cap(y)], x[:cap(x)]
	for i := range rows {
		scale(y[i*ldy:][:n], factors[i*step], x[i*ldx:][:n])
	}
}

func tanh(y, x []float32) {
	tanhGeneric(y, x)
}

func erf(y, x []float32) {
	erfGeneric(y, x)
}

func expSum(y, x []float32, shift float32) float64 {
	if active == Generic {
		return expSumGeneric(y, x, shift)
	}
	return expShift(y, x, 1, shift)
}

func moments(x []float32) (sum, squares float64) {
	return momentsGeneric(x)
}

func affine(y, x, w, b []float32, shift, scale float32) {
	affineGeneric(y, x, w, b, shift, scale)
}

func normSums(x, w, dy []float32, shift float32) (level, along float64) {
	return normSumsGeneric(x, w, dy, shift)
}

func normInput(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool) {
	normInputGeneric(dx, x, w, dy, direct, shift, slope, level, acc)
}
