//go:build !purego

package kernels

var shapes = [...]shape{
	Generic: {rows: 2, wide: 4, tall: 2, narrow: 4, short: 2},
	AVX2:    {rows: 6, wide: 16, tall: 12, narrow: 8, pair: 8, short: 6, masked: true, dotRows: dotTall, dotNarrow: 6, dotTerms: 2},
	AVX512:  {rows: 8, wide: 48, tall: 16, narrow: 16, pair: 24, short: 6, masked: true, few: true, dotRows: 2 * dotTall, dotNarrow: dotTall, dotTerms: 3},
}

func tiles(l Level, rows, columns int, strips []strip, c []float32, ldc int, end ending) {
	if l == Generic {
		tilesGeneric(rows, columns, strips, c, ldc, end)
		return
	}
	tileRows(l, rows, rows, columns, strips, c, ldc, end)
}

func tileRows(l Level, rows, most, columns int, strips []strip, c []float32, ldc int, end ending) {
	if l == AVX512 {
		tilesAVX512(rows, most, columns, strips, c, ldc, end)
		return
	}
	tilesAVX2(rows, most, columns, strips, c, ldc, end)
}

func transpose(l Level, rows, k int, src []float32, ld int, dst []float32, step int) {
	if l == Generic {
		transposeGeneric(rows, k, src, ld, dst, step)
		return
	}
	transposeAVX2(rows, k, src, ld, dst, step)
}

func copyRows(l Level, rows, columns int, src []float32, ld int, dst []float32, step int) {
	if l == Generic {
		copyRowsGeneric(rows, columns, src, ld, dst, step)
		return
	}
	copyRowsAVX2(rows, columns, src, ld, dst, step)
}

func fmaPeak(l Level, iterations int) (flops int) {
	switch l {
	case AVX512:
		iterations = max(1, iterations)
		fmaPeakAVX512(iterations)
		return 24 * 16 * 2 * iterations
	case AVX2:
		iterations = max(1, iterations)
		fmaPeakAVX2(iterations)
		return 12 * 8 * 2 * iterations
	default:
		return fmaPeakGeneric(iterations)
	}
}

//go:noescape
func tilesAVX2(rows, most, columns int, strips []strip, c []float32, ldc int, end ending)

//go:noescape
func tilesAVX512(rows, most, columns int, strips []strip, c []float32, ldc int, end ending)

//go:noescape
func transposeAVX2(rows, k int, src []float32, ld int, dst []float32, step int)

//go:noescape
func copyRowsAVX2(rows, columns int, src []float32, ld int, dst []float32, step int)

//go:noescape
func fmaPeakAVX2(iterations int)

//go:noescape
func fmaPeakAVX512(iterations int)
