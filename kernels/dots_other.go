//go:build !amd64 || purego

package kernels

// tileRows and dotTile are for the levels with masks, of which there are none here.
func tileRows(l Level, rows, most, columns int, strips []strip, c []float32, ldc int, end ending) {
	panic("kernels: tileRows: no level has it")
}

func dotTile(l Level, rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending) {
	panic("kernels: dotTile: no level has it")
}
