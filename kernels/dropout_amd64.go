//go:build !purego

package kernels

// dropoutGroups is dropoutGeneric of whole groups.
func dropoutGroups(y, x []float32, t *dropoutTable, block uint64) {
	switch {
	case active == Generic || len(y) == 0:
		dropoutGeneric(y, x, t, block)
	case active == AVX512:
		dropoutAVX512(y, x, t[:], block)
	default:
		dropoutAVX2(y, x, t[:], block)
	}
}

//go:noescape
func dropoutAVX2(y, x []float32, table []uint64, block uint64)

//go:noescape
func dropoutAVX512(y, x []float32, table []uint64, block uint64)
