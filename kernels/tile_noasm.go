//go:build (!amd64 && !arm64) || purego

package kernels

var shapes = [...]shape{Generic: {rows: 2, wide: 4, tall: 2, narrow: 4, short: 2}}

func tiles(_ Level, rows, columns int, strips []strip, c []float32, ldc int, end ending) {
	tilesGeneric(rows, columns, strips, c, ldc, end)
}

func transpose(_ Level, rows, k int, src []float32, ld int, dst []float32, step int) {
	transposeGeneric(rows, k, src, ld, dst, step)
}

func copyRows(_ Level, rows, columns int, src []float32, ld int, dst []float32, step int) {
	copyRowsGeneric(rows, columns, src, ld, dst, step)
}

func fmaPeak(_ Level, iterations int) (flops int) { return fmaPeakGeneric(iterations) }
