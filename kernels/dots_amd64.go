//go:build !purego

package kernels

func dots(groups, k int, a []float32, lda int, x, sums []float32) {
	dotsAVX2(groups, k, a, lda, x, sums)
}

//go:noescape
func dotsAVX2(groups, k int, a []float32, lda int, x, sums []float32)
