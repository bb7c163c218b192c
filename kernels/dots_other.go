//go:build !amd64 || purego

package kernels

// dots and tileRows are for the levels with masks, of which there are none here.
func dots(groups, k int, a []float32, lda int, x, sums []float32) {
	panic("kernels: dots: no level has it")
}

func tileRows(l Level, rows, most, columns int, strips []strip, c []float32, ldc int, end ending) {
	panic("kernels: tileRows: no level has it")
}

func dotTile(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending) {
	panic("kernels: dotTile: no level has it")
}
