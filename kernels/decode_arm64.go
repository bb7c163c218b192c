//go:build !purego

package kernels

// The decoders by level. The assembly takes at least eight elements.

func decodeBF16(x []float32, b []uint16) {
	b = b[:len(x)]
	if active == Generic || len(x) < 8 {
		decodeBF16Generic(x, b)
		return
	}
	decodeBF16NEON(x, b)
}

func decodeF16(x []float32, b []uint16) {
	b = b[:len(x)]
	if active == Generic || len(x) < 8 {
		decodeF16Generic(x, b)
		return
	}
	decodeF16NEON(x, b)
}

func decodeInt8(x []float32, q []int8, scale float32) {
	q = q[:len(x)]
	if active == Generic || len(x) < 8 {
		decodeInt8Generic(x, q, scale)
		return
	}
	decodeInt8NEON(x, q, scale)
}

func decodeBlocks(x []float32, codes []byte, absmax []float32) {
	x, codes = x[:nf4Block*len(absmax)], codes[:nf4Block/2*len(absmax)]
	if active == Generic || len(absmax) == 0 {
		decodeBlocksGeneric(x, codes, absmax)
		return
	}
	decodeBlocksNEON(x, codes, absmax, nf4[:])
}

//go:noescape
func decodeBF16NEON(x []float32, b []uint16)

//go:noescape
func decodeF16NEON(x []float32, b []uint16)

//go:noescape
func decodeInt8NEON(x []float32, q []int8, scale float32)

//go:noescape
func decodeBlocksNEON(x []float32, codes []byte, absmax, numbers []float32)
