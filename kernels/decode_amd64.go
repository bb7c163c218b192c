//go:build !purego

package kernels

// The decoders by level. The assembly takes at least one vector of elements; fewer
// are left to the next lower level.

func decodeBF16(x []float32, b []uint16) {
	b = b[:len(x)]
	switch {
	case active == AVX512 && len(x) >= 16:
		decodeBF16AVX512(x, b)
	case active != Generic && len(x) >= 8:
		decodeBF16AVX2(x, b)
	default:
		decodeBF16Generic(x, b)
	}
}

func decodeF16(x []float32, b []uint16) {
	b = b[:len(x)]
	switch {
	case active == AVX512 && len(x) >= 16:
		decodeF16AVX512(x, b)
	case active != Generic && len(x) >= 8:
		decodeF16AVX2(x, b)
	default:
		decodeF16Generic(x, b)
	}
}

func decodeInt8(x []float32, q []int8, scale float32) {
	q = q[:len(x)]
	switch {
	case active == AVX512 && len(x) >= 16:
		decodeInt8AVX512(x, q, scale)
	case active != Generic && len(x) >= 8:
		decodeInt8AVX2(x, q, scale)
	default:
		decodeInt8Generic(x, q, scale)
	}
}

func decodeBlocks(x []float32, codes []byte, absmax []float32) {
	x, codes = x[:nf4Block*len(absmax)], codes[:nf4Block/2*len(absmax)]
	switch {
	case active == Generic || len(absmax) == 0:
		decodeBlocksGeneric(x, codes, absmax)
	case active == AVX512:
		decodeBlocksAVX512(x, codes, absmax, nf4[:])
	default:
		decodeBlocksAVX2(x, codes, absmax, nf4[:])
	}
}

//go:noescape
func decodeBF16AVX2(x []float32, b []uint16)

//go:noescape
func decodeF16AVX2(x []float32, b []uint16)

//go:noescape
func decodeInt8AVX2(x []float32, q []int8, scale float32)

//go:noescape
func decodeBlocksAVX2(x []float32, codes []byte, absmax, numbers []float32)

//go:noescape
func decodeBF16AVX512(x []float32, b []uint16)

//go:noescape
func decodeF16AVX512(x []float32, b []uint16)

//go:noescape
func decodeInt8AVX512(x []float32, q []int8, scale float32)

//go:noescape
func decodeBlocksAVX512(x []float32, codes []byte, absmax, numbers []float32)
