//go:build (!amd64 && !arm64) || purego

package kernels

// dropoutGroups is dropoutGeneric of whole groups.
func dropoutGroups(y, x []float32, t *dropoutTable, block uint64) {
	dropoutGeneric(y, x, t, block)
}
