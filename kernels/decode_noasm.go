//go:build (!amd64 && !arm64) || purego

package kernels

func decodeBF16(x []float32, b []uint16) {
	decodeBF16Generic(x, b[:len(x)])
}

func decodeF16(x []float32, b []uint16) {
	decodeF16Generic(x, b[:len(x)])
}

func decodeInt8(x []float32, q []int8, scale float32) {
	decodeInt8Generic(x, q[:len(x)], scale)
}

func decodeBlocks(x []float32, codes []byte, absmax []float32) {
	decodeBlocksGeneric(x[:nf4Block*len(absmax)], codes[:nf4Block/2*len(absmax)], absmax)
}
