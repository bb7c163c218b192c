//go:build !purego

package kernels

// dropoutGroups is dropoutGeneric of whole groups.
func dropoutGroups(y, x []float32, t *dropoutTable, block uint64) {
	if active == Generic || len(y) == 0 {
		dropoutGeneric(y, x, t, block)
		return
	}
	dropoutNEON(y, x, t[:], block)
}

//go:noescape
func dropoutNEON(y, x []float32, table []uint64, block uint64)
