package pretrained

import (
	"encoding/binary"
	"fmt"
)

// integers decodes a value of each type that an int64 holds.
var integers = map[string]func(b []byte) int64{
	"BOOL": func(b []byte) int64 { return int64(b[0]) },
	"U8":   func(b []byte) int64 { return int64(b[0]) },
	"I8":   func(b []byte) int64 { return int64(int8(b[0])) },
	"U16":  func(b []byte) int64 { return int64(binary.LittleEndian.Uint16(b)) },
	"I16":  func(b []byte) int64 { return int64(int16(binary.LittleEndian.Uint16(b))) },
	"U32":  func(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) },
	"I32":  func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) },
	"I64":  func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) },
}

// Ints returns a copy of the values of an integer tensor, I64 or narrower;
// those of BOOL are 0 and 1. It is an error if there is no such tensor, if it
// is of another type, or if a BOOL is neither.
func (s *Safetensors) Ints(name string) ([]int64, error) {
	defer s.keep()
	e, b, err := s.bytes(name)
	if err != nil {
		return nil, err
	}
	decode, width := integers[e.dtype], widths[e.dtype]
	if decode == nil {
		return nil, fmt.Errorf("pretrained: %s: tensor %q is %s: must be an integer type of at most 64 bits, U64 excepted, or BOOL", s.file, name, e.dtype)
	}
	v := make([]int64, len(b)/width)
	for i := range v {
		v[i] = decode(b[i*width:])
		if e.dtype == "BOOL" && v[i] > 1 {
			return nil, fmt.Errorf("pretrained: %s: tensor %q: value %d of BOOL is %d: must be 0 or 1", s.file, name, i, v[i])
		}
	}
	return v, nil
}
