//go:build !amd64 || purego

package kernels

// dots is for the levels with masks, of which there are none here.
func dots(groups, k int, a []float32, lda int, x, sums []float32) {
	panic("kernels: dots: no level has it")
}
