package pretrained

import (
	"encoding/binary"
	"unsafe"
)

// littleEndian says that memory has values as a file has them.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// alias returns the values whose bytes are b in the same memory, without room
// to append; ok is false where the machine has them in another order or b is
// not aligned.
func alias[T uint16 | float32](b []byte) (v []T, ok bool) {
	var zero T
	p := unsafe.Pointer(unsafe.SliceData(b))
	if !littleEndian || uintptr(p)%unsafe.Sizeof(zero) != 0 {
		return nil, false
	}
	return unsafe.Slice((*T)(p), len(b)/int(unsafe.Sizeof(zero))), true
}

// setValues sets v to the values whose bytes are b, aligned or not.
func setValues[T uint16 | float32](v []T, b []byte) {
	if !littleEndian {
		binary.Decode(b, binary.LittleEndian, v)
		return
	}
	copy(valueBytes(v), b)
}

// valueBytes returns the bytes of v in the same memory, in the machine's order.
func valueBytes[T uint16 | float32](v []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(zero)))
}

// littleBytes returns the bytes of v in little-endian order, in the same memory
// where that is the machine's.
func littleBytes[T uint16 | float32](v []T) []byte {
	if littleEndian {
		return valueBytes(v)
	}
	b, _ := binary.Append(nil, binary.LittleEndian, v) // of numbers there is no error
	return b
}
