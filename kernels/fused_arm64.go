//go:build !purego

package kernels

// The fused loops by level.

func rotateHeads(y, x, cos, sin []float32, sign float32, acc bool) {
	if active == Generic {
		rotateHeadsGeneric(y, x, cos, sin, sign, acc)
		return
	}
	rotateHeadsNEON(y, x, cos, sin, sign, acc)
}

func scaleRows(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int) {
	if active == Generic {
		scaleRowsGeneric(y, ldy, x, ldx, factors, step, rows)
		return
	}
	scaleRowsNEON(y, ldy, x, ldx, factors, step, rows)
}

func tanh(y, x []float32) {
	if active == Generic {
		tanhGeneric(y, x)
		return
	}
	tanhNEON(y, x)
}

func erf(y, x []float32) {
	if active == Generic {
		erfGeneric(y, x)
		return
	}
	erfNEON(y, x)
}

func expSum(y, x []float32, shift float32) float64 {
	if active == Generic {
		return expSumGeneric(y, x, shift)
	}
	return expSumNEON(y, x, shift)
}

func exp2Sum(y, x []float32, shift float32) float64 {
	if active == Generic {
		return exp2SumGeneric(y, x, shift)
	}
	return exp2SumNEON(y, x, shift)
}

func scoreGrad(p, d []float32, shift, mean float32) {
	if active == Generic {
		scoreGradGeneric(p, d, shift, mean)
		return
	}
	scoreGradNEON(p, d, shift, mean)
}

func moments(x []float32) (sum, squares float64) {
	if active == Generic {
		return momentsGeneric(x)
	}
	return momentsNEON(x)
}

func affine(y, x, w, b []float32, shift, scale float32) {
	if active == Generic {
		affineGeneric(y, x, w, b, shift, scale)
		return
	}
	affineNEON(y, x, w, b, shift, scale)
}

func normSums(x, w, dy []float32, shift float32) (level, along float64) {
	if active == Generic {
		return normSumsGeneric(x, w, dy, shift)
	}
	return normSumsNEON(x, w, dy, shift)
}

func normInput(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool) {
	if active == Generic {
		normInputGeneric(dx, x, w, dy, direct, shift, slope, level, acc)
		return
	}
	normInputNEON(dx, x, w, dy, direct, shift, slope, level, acc)
}

func softmaxInput(dx, y, dy []float32, mean float32, acc bool) {
	if active == Generic {
		softmaxInputGeneric(dx, y, dy, mean, acc)
		return
	}
	softmaxInputNEON(dx, y, dy, mean, acc)
}

//go:noescape
func rotateHeadsNEON(y, x, cos, sin []float32, sign float32, acc bool)

//go:noescape
func scaleRowsNEON(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int)

//go:noescape
func tanhNEON(y, x []float32)

//go:noescape
func erfNEON(y, x []float32)

//go:noescape
func expSumNEON(y, x []float32, shift float32) float64

//go:noescape
func exp2SumNEON(y, x []float32, shift float32) float64

//go:noescape
func scoreGradNEON(p, d []float32, shift, mean float32)

//go:noescape
func momentsNEON(x []float32) (sum, squares float64)

//go:noescape
func affineNEON(y, x, w, b []float32, shift, scale float32)

//go:noescape
func normSumsNEON(x, w, dy []float32, shift float32) (level, along float64)

//go:noescape
func normInputNEON(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool)

//go:noescape
func softmaxInputNEON(dx, y, dy []float32, mean float32, acc bool)
