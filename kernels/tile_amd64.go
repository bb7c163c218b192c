//go:build !purego

package kernels

var shapes = [...]shape{
	Generic: {rows: 2, wide: 4, narrow: 4},
	AVX2:    {rows: 6, wide: 16, narrow: 8},
}

func tile(l Level, rows, width int, strips []strip, c []float32, ldc int, acc bool) {
	switch l {
	case AVX2:
		tileAVX2(rows, width, strips, c, ldc, acc)
	default:
		tileGeneric(rows, width, strips, c, ldc, acc)
	}
}

func transpose(l Level, rows, k int, src []float32, ld int, dst []float32, step int) {
	if whole := k &^ 7; l == AVX2 && whole > 0 {
		transposeAVX2(rows, whole, src, ld, dst, step)
		if whole == k {
			return
		}
		k, src, dst = k-whole, src[whole:], dst[whole*step:]
	}
	transposeGeneric(rows, k, src, ld, dst, step)
}

func copyRows(l Level, rows, columns int, src []float32, ld int, dst []float32, step int) {
	if whole := columns == 16 || columns == 8 || columns == 6; l == AVX2 && whole && rows > 0 {
		copyRowsAVX2(rows, columns, src, ld, dst, step)
		return
	}
	copyRowsGeneric(rows, columns, src, ld, dst, step)
}

func fmaPeak(l Level, iterations int) (flops int) {
	switch l {
	case AVX2:
		iterations = max(1, iterations)
		fmaPeakAVX2(iterations)
		return 12 * 8 * 2 * iterations
	default:
		return fmaPeakGeneric(iterations)
	}
}

//go:noescape
func tileAVX2(rows, width int, strips []strip, c []float32, ldc int, acc bool)

//go:noescape
func transposeAVX2(rows, k int, src []float32, ld int, dst []float32, step int)

//go:noescape
func copyRowsAVX2(rows, columns int, src []float32, ld int, dst []float32, step int)

//go:noescape
func fmaPeakAVX2(iterations int)
