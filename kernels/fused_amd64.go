//go:build !purego

package kernels

// The fused loops by level.

func rotateHeads(y, x, cos, sin []float32, sign float32, acc bool) {
	switch active {
	case Generic:
		rotateHeadsGeneric(y, x, cos, sin, sign, acc)
	case AVX512:
		rotateHeadsAVX512(y, x, cos, sin, sign, acc)
	default:
		rotateHeadsAVX2(y, x, cos, sin, sign, acc)
	}
}

func scaleRows(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int) {
	switch active {
	case Generic:
		scaleRowsGeneric(y, ldy, x, ldx, factors, step, rows)
	case AVX512:
		scaleRowsAVX512(y, ldy, x, ldx, factors, step, rows)
	default:
		scaleRowsAVX2(y, ldy, x, ldx, factors, step, rows)
	}
}

func tanh(y, x []float32) {
	switch active {
	case Generic:
		tanhGeneric(y, x)
	case AVX512:
		tanhAVX512(y, x)
	default:
		tanhAVX2(y, x)
	}
}

func erf(y, x []float32) {
	switch active {
	case Generic:
		erfGeneric(y, x)
	case AVX512:
		erfAVX512(y, x)
	default:
		erfAVX2(y, x)
	}
}

func expSum(y, x []float32, shift float32) float64 {
	switch active {
	case Generic:
		return expSumGeneric(y, x, shift)
	case AVX512:
		return expSumAVX512(y, x, shift)
	}
	return expSumAVX2(y, x, shift)
}

func exp2Sum(y, x []float32, shift float32) float64 {
	switch active {
	case Generic:
		return exp2SumGeneric(y, x, shift)
	case AVX512:
		return exp2SumAVX512(y, x, shift)
	}
	return exp2SumAVX2(y, x, shift)
}

func scoreGrad(p, d []float32, shift, mean float32) {
	switch active {
	case Generic:
		scoreGradGeneric(p, d, shift, mean)
	case AVX512:
		scoreGradAVX512(p, d, shift, mean)
	default:
		scoreGradAVX2(p, d, shift, mean)
	}
}

func moments(x []float32) (sum, squares float64) {
	switch active {
	case Generic:
		return momentsGeneric(x)
	case AVX512:
		return momentsAVX512(x)
	}
	return momentsAVX2(x)
}

func affine(y, x, w, b []float32, shift, scale float32) {
	switch active {
	case Generic:
		affineGeneric(y, x, w, b, shift, scale)
	case AVX512:
		affineAVX512(y, x, w, b, shift, scale)
	default:
		affineAVX2(y, x, w, b, shift, scale)
	}
}

func normSums(x, w, dy []float32, shift float32) (level, along float64) {
	switch active {
	case Generic:
		return normSumsGeneric(x, w, dy, shift)
	case AVX512:
		return normSumsAVX512(x, w, dy, shift)
	}
	return normSumsAVX2(x, w, dy, shift)
}

func normInput(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool) {
	switch active {
	case Generic:
		normInputGeneric(dx, x, w, dy, direct, shift, slope, level, acc)
	case AVX512:
		normInputAVX512(dx, x, w, dy, direct, shift, slope, level, acc)
	default:
		normInputAVX2(dx, x, w, dy, direct, shift, slope, level, acc)
	}
}

func softmaxInput(dx, y, dy []float32, mean float32, acc bool) {
	switch active {
	case Generic:
		softmaxInputGeneric(dx, y, dy, mean, acc)
	case AVX512:
		softmaxInputAVX512(dx, y, dy, mean, acc)
	default:
		softmaxInputAVX2(dx, y, dy, mean, acc)
	}
}

//go:noescape
func scaleRowsAVX2(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int)

//go:noescape
func rotateHeadsAVX2(y, x, cos, sin []float32, sign float32, acc bool)

//go:noescape
func tanhAVX2(y, x []float32)

//go:noescape
func erfAVX2(y, x []float32)

//go:noescape
func expSumAVX2(y, x []float32, shift float32) float64

//go:noescape
func exp2SumAVX2(y, x []float32, shift float32) float64

//go:noescape
func scoreGradAVX2(p, d []float32, shift, mean float32)

//go:noescape
func momentsAVX2(x []float32) (sum, squares float64)

//go:noescape
func affineAVX2(y, x, w, b []float32, shift, scale float32)

//go:noescape
func normSumsAVX2(x, w, dy []float32, shift float32) (level, along float64)

//go:noescape
func normInputAVX2(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool)

//go:noescape
func softmaxInputAVX2(dx, y, dy []float32, mean float32, acc bool)

//go:noescape
func scaleRowsAVX512(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int)

//go:noescape
func rotateHeadsAVX512(y, x, cos, sin []float32, sign float32, acc bool)

//go:noescape
func tanhAVX512(y, x []float32)

//go:noescape
func erfAVX512(y, x []float32)

//go:noescape
func expSumAVX512(y, x []float32, shift float32) float64

//go:noescape
func exp2SumAVX512(y, x []float32, shift float32) float64

//go:noescape
func scoreGradAVX512(p, d []float32, shift, mean float32)

//go:noescape
func momentsAVX512(x []float32) (sum, squares float64)

//go:noescape
func affineAVX512(y, x, w, b []float32, shift, scale float32)

//go:noescape
func normSumsAVX512(x, w, dy []float32, shift float32) (level, along float64)

//go:noescape
func normInputAVX512(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool)

//go:noescape
func softmaxInputAVX512(dx, y, dy []float32, mean float32, acc bool)
