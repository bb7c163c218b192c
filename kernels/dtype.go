package kernels

import (
	"fmt"
	"strings"
)

// A Dtype is a format that a frozen weight is kept in. Products compute in
// float32: a weight is decoded while it is packed, by [PackBF16], [PackF16],
// [PackInt8] or [PackNF4].
type Dtype uint8

// The formats.
const (
	F32  Dtype = iota // IEEE 754 binary32
	BF16              // the upper half of a float32
	F16               // IEEE 754 binary16
	Int8              // integers of -127 to 127 and one float32 scale a row
	NF4               // 4-bit NormalFloat in blocks of 64, see [NF4Weight]
)

var dtypeNames = [...]string{F32: "f32", BF16: "bf16", F16: "f16", Int8: "int8", NF4: "nf4"}

// String returns the name of the format in lower case.
func (d Dtype) String() string {
	if int(d) < len(dtypeNames) {
		return dtypeNames[d]
	}
	return fmt.Sprintf("Dtype(%d)", uint8(d))
}

// ParseDtype returns the format of a name that String returns, in any case.
func ParseDtype(name string) (Dtype, error) {
	for d, s := range dtypeNames {
		if strings.EqualFold(name, s) {
			return Dtype(d), nil
		}
	}
	return F32, fmt.Errorf("kernels: dtype %q: want one of %s", name, strings.Join(dtypeNames[:], ", "))
}

// Bytes returns the memory of a weight (rows×cols) in the format, scales
// included: for large ones 4, 2, 2, 1 and 0.52 bytes an element. It panics if d is
// none of the formats.
func (d Dtype) Bytes(rows, cols int) int {
	n := rows * cols
	switch d {
	case F32:
		return 4 * n
	case BF16, F16:
		return 2 * n
	case Int8:
		return n + 4*rows
	case NF4:
		blocks := ceil(n, nf4Block)
		return ceil(n, 2) + blocks + 4*ceil(blocks, nf4Group) + 4*256 + 4
	}
	panic(fmt.Sprintf("kernels: Bytes: %v is none of the formats", d))
}
