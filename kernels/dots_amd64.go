//go:build !purego

package kernels

// dotGroups is how many groups of 8 columns AVX2's dot tiles of so many rows have at most.
var dotGroups = [dotTall + 1]int{1: 4, 2: 3, 3: 2, 4: 2, 5: 1, 6: 1, 7: 1, 8: 1}

func dotTile(l Level, rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending) {
	if l == AVX512 && columns >= dotWide {
		dotTileAVX512(rows, columns, k, a, arow, acol, b, ldb, c, ldc, end)
		return
	}
	most := dotGroups[rows]
	if ldb%1024 == 0 {
		most = 1 // a first-level cache has eight ways
	}
	for j, n := 0, 0; j < columns; j += n {
		groups := ceil(columns-j, 8)
		n = min(columns-j, 8*ceil(groups, ceil(groups, most)))
		if n < 8 {
			dotEdge(rows, n, k, a, arow, acol, b[(columns-8)*ldb:], ldb, c[j:], ldc, end)
			continue
		}
		dotTileAVX2(rows, n, k, a, arow, acol, b[j*ldb:], ldb, c[j:], ldc, end)
	}
}

// dotEdge computes the last ones of 8 columns.
func dotEdge(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending) {
	var edge [dotTall * 8]float32
	dotTileAVX2(rows, 8, k, a, arow, acol, b, ldb, edge[:], 8, stores)
	storeEdge(rows, columns, edge[8-columns:], 8, c, ldc, end == adds)
}

//go:noescape
func dotTileAVX2(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending)

//go:noescape
func dotTileAVX512(rows, columns, k int, a []float32, arow, acol int, b []float32, ldb int, c []float32, ldc int, end ending)
