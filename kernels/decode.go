package kernels

import "math"

// The decoders make float32 of the formats that weights are kept in, the same bits at
// every level. They read as many elements as x has:
//
//	func decodeBF16(x []float32, b []uint16)
//	func decodeF16(x []float32, b []uint16)
//	func decodeInt8(x []float32, q []int8, scale float32)
//
//	for i := range x {
//		x[i] = scale * float32(q[i])
//	}
//
// and NF4 whole blocks of 64, of which each has an absmax:
//
//	func decodeBlocks(x []float32, codes []byte, absmax []float32)
//
//	for i, c := range codes {
//		x[2*i] = nf4[c>>4] * absmax[i/32]
//		x[2*i+1] = nf4[c&15] * absmax[i/32]
//	}

func decodeBF16Generic(x []float32, b []uint16) {
	x = x[:len(b)]
	for i, v := range b {
		x[i] = math.Float32frombits(uint32(v) << 16)
	}
}

// The bits of a binary16: sign, five of exponent (all ones: Inf and NaN) and ten
// of mantissa.
const (
	f16Sign      = 0x8000
	f16Magnitude = 0x7fff
	f16Inf       = 0x7c00
	f16Quiet     = 0x0200
)

func decodeF16Generic(x []float32, b []uint16) {
	x = x[:len(b)]
	for i, v := range b {
		bits := uint32(v&f16Sign)<<16 | uint32(v&f16Magnitude)<<13
		if v&f16Inf == f16Inf {
			x[i] = math.Float32frombits(bits | 0xff<<23)
			continue
		}
		// The exponents are biased by 15 and 127. A product is right for the
		// subnormal numbers too.
		x[i] = math.Float32frombits(bits) * (1 << (127 - 15))
	}
}

func decodeInt8Generic(x []float32, q []int8, scale float32) {
	x = x[:len(q)]
	for i, v := range q {
		x[i] = scale * int8Values[uint8(v)]
	}
}

// int8Values are the integers as float32, by their bits: a look-up is faster than a
// conversion.
var int8Values = func() (values [256]float32) {
	for v := range values {
		values[v] = float32(int8(v))
	}
	return values
}()

func decodeBlocksGeneric(x []float32, codes []byte, absmax []float32) {
	for _, m := range absmax {
		values := nf4
		for i := range values {
			values[i] *= m
		}
		for i, c := range codes[:nf4Block/2] {
			x[2*i], x[2*i+1] = values[c>>4], values[c&15]
		}
		x, codes = x[nf4Block:], codes[nf4Block/2:]
	}
}
