package kernels

import "math"

// DecodeBF16 is x = b, element by element. Each bfloat16 is the upper half of a
// float32, so all 65,536 keep their value, NaN its payload. It panics if the
// lengths differ.
func DecodeBF16(x []float32, b []uint16) {
	checkLen("DecodeBF16", "b", len(b), "x", len(x))
	decodeBF16(x, b)
}

// EncodeBF16 is b = x, element by element, rounded to the nearest, of two to the
// even one; beyond the largest that is ±Inf. NaN stays NaN. It panics if the
// lengths differ.
func EncodeBF16(b []uint16, x []float32) {
	checkLen("EncodeBF16", "x", len(x), "b", len(b))
	for i, v := range x {
		bits := math.Float32bits(v)
		if v != v {
			b[i] = uint16(bits>>16) | 1<<6 // or its payload might be rounded to that of Inf
			continue
		}
		b[i] = uint16((bits + 0x7fff + bits>>16&1) >> 16)
	}
}

// DecodeF16 is x = b, element by element. A binary16 fits into a float32 with
// 13 bits to spare, so all 65,536 keep their value, NaN its payload. It panics if
// the lengths differ.
func DecodeF16(x []float32, b []uint16) {
	checkLen("DecodeF16", "b", len(b), "x", len(x))
	decodeF16(x, b)
}

// EncodeF16 is b = x, element by element, rounded to the nearest, of two to the
// even one; from 65,520 on that is ±Inf. NaN stays NaN. It panics if the lengths
// differ.
func EncodeF16(b []uint16, x []float32) {
	checkLen("EncodeF16", "x", len(x), "b", len(b))
	for i, v := range x {
		bits := math.Float32bits(v)
		sign := uint16(bits >> 16 & f16Sign)
		bits &= math.MaxInt32
		size := math.Float32frombits(bits)
		switch {
		case v != v:
			b[i] = sign | f16Inf | f16Quiet | uint16(bits>>13)&(f16Quiet-1)
		case size >= 65520:
			b[i] = sign | f16Inf
		case size < 0x1p-14:
			// A sum with ½ rounds to its last place, 2⁻²⁴, that of the
			// subnormal numbers.
			b[i] = sign | uint16(math.Float32bits(size+0.5)-math.Float32bits(0.5))
		default:
			bits += 0xfff + bits>>13&1
			b[i] = sign | uint16((bits-(127-15)<<23)>>13)
		}
	}
}
