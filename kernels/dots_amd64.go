//go:build !purego

package kernels

func dots(groups, k int, a []float32, lda int, x, sums []float32) {
	dotsAVX2(groups, k, a, lda, x, sums)
}

//go:noescape
func dotsAVX2(groups, k int, a []float32, lda int, x, sums []float32)

func dotTile(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending) {
	dotTileAVX512(rows, columns, k, a, arow, acol, b, ldb, c, ldc, end)
}

//go:noescape
func dotTileAVX512(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending)
