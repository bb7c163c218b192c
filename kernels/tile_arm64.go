//go:build !purego

package kernels

var shapes = [...]shape{
	Generic: {rows: 2, wide: 4, tall: 2, narrow: 4, short: 2},
	NEON:    {rows: 6, wide: 16, tall: 8, narrow: 8, short: 6},
}

func tiles(l Level, rows, columns int, strips []strip, c []float32, ldc int, end ending) {
	if l == Generic {
		tilesGeneric(rows, columns, strips, c, ldc, end)
		return
	}
	step := shapes[NEON].wide
	if rows > shapes[NEON].rows {
		step = shapes[NEON].narrow
	}
	for j := 0; j < columns; j += step {
		at := tileAt(strips, j)
		tileNEON(rows, min(step, columns-j), at[:len(strips)], c[j:], ldc, end)
	}
}

func transpose(l Level, rows, k int, src []float32, ld int, dst []float32, step int) {
	if whole := k &^ 3; l == NEON && whole > 0 {
		transposeNEON(rows, whole, src, ld, dst, step)
		if whole == k {
			return
		}
		k, src, dst = k-whole, src[whole:], dst[whole*step:]
	}
	transposeGeneric(rows, k, src, ld, dst, step)
}

func copyRows(l Level, rows, columns int, src []float32, ld int, dst []float32, step int) {
	if whole := columns == 16 || columns == 8 || columns == 6; l == NEON && whole && rows > 0 {
		copyRowsNEON(rows, columns, src, ld, dst, step)
		return
	}
	copyRowsGeneric(rows, columns, src, ld, dst, step)
}

func fmaPeak(l Level, iterations int) (flops int) {
	if l == Generic {
		return fmaPeakGeneric(iterations)
	}
	iterations = max(1, iterations)
	fmaPeakNEON(iterations)
	return 24 * 4 * 2 * iterations
}

//go:noescape
func tileNEON(rows, columns int, strips []strip, c []float32, ldc int, end ending)

//go:noescape
func transposeNEON(rows, k int, src []float32, ld int, dst []float32, step int)

//go:noescape
func copyRowsNEON(rows, columns int, src []float32, ld int, dst []float32, step int)

//go:noescape
func fmaPeakNEON(iterations int)
