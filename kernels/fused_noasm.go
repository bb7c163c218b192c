//go:build (!amd64 && !arm64) || purego

package kernels

func rotateHeads(y, x, cos, sin []float32, sign float32, acc bool) {
	rotateHeadsGeneric(y, x, cos, sin, sign, acc)
}

func scaleRows(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int) {
	scaleRowsGeneric(y, ldy, x, ldx, factors, step, rows)
}

func tanh(y, x []float32) {
	tanhGeneric(y, x)
}

func erf(y, x []float32) {
	erfGeneric(y, x)
}

func expSum(y, x []float32, shift float32) float64 {
	return expSumGeneric(y, x, shift)
}

func exp2Sum(y, x []float32, shift float32) float64 {
	return exp2SumGeneric(y, x, shift)
}

func scoreGrad(p, d []float32, shift, mean float32) {
	scoreGradGeneric(p, d, shift, mean)
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

func softmaxInput(dx, y, dy []float32, mean float32, acc bool) {
	softmaxInputGeneric(dx, y, dy, mean, acc)
}
