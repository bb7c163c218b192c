package pretrained

import (
	"runtime"
	"sync"
)

// decodeHalves decodes values of two bytes, aligned or not. Most of the time
// goes to pages that the system hands out one by one, so all processors share
// it.
func decodeHalves(b []byte, decode func(x []float32, halves []uint16)) []float32 {
	x := make([]float32, len(b)/2)
	const least = 1 << 18 // values that are worth another goroutine
	parts := max(1, min(runtime.GOMAXPROCS(0), len(x)/least))
	var group sync.WaitGroup
	for i := range parts {
		from, to := share(len(x), i, parts), share(len(x), i+1, parts)
		group.Go(func() { decodePart(x[from:to], b[2*from:2*to], decode) })
	}
	group.Wait()
	return x
}

// share is where part i of n values begins.
func share(n, i, parts int) int { return n/parts*i + min(i, n%parts) }

// decodePart decodes into x.
func decodePart(x []float32, b []byte, decode func(x []float32, halves []uint16)) {
	if halves, ok := alias[uint16](b); ok {
		decode(x, halves)
		return
	}
	halves := make([]uint16, min(len(x), 1<<12)) // stays in the cache
	for at := 0; at < len(x); at += len(halves) {
		n := min(len(halves), len(x)-at)
		setValues(halves[:n], b[2*at:2*(at+n)])
		decode(x[at:at+n], halves[:n])
	}
}
