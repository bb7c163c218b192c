package kernels

import (
	"fmt"
	"math"
)

// goFloats computes with Go's own instructions what a caller's code would: sums,
// a rounding, a root, a conversion, subnormal numbers and memory set to zero. A
// kernel that returns with another rounding or with subnormals flushed, or with a
// register that Go holds at zero in use, changes it.
//
//go:noinline
func goFloats() (bits [8]uint64) {
	var s64, p64 float64 = 0, 1
	var s32, small float32 = 0, 0x1p-120
	for i := 1; i < 40; i++ {
		s64 += 1 / float64(i)
		p64 = math.Sqrt(p64 * (1 + s64))
		s32 += 1 / float32(i)
		small *= 0.5
		if i%2 == 0 {
			s32 -= float32(i) * small
		}
	}
	var zeros [24]float32
	zero := zeros // copied through the register that Go holds at zero
	total := float32(0)
	for _, z := range zero {
		total += z
	}
	bits[0], bits[1], bits[2] = math.Float64bits(s64), math.Float64bits(p64), uint64(math.Float32bits(s32))
	bits[3], bits[4] = uint64(math.Float32bits(small+0x1p-148)), uint64(math.Float32bits(total))
	bits[5], bits[6] = uint64(int64(s64*1e6)), math.Float64bits(math.FMA(s64, s64, -p64))
	bits[7] = math.Float64bits(math.RoundToEven(2.5) + 0x1p-1074)
	return bits
}

var goFloatsBefore = goFloats()

// upperHalves returns which of the first 16 vector registers have bits above
// the lower 128: after VZEROUPPER, none. It is nil where that cannot be seen.
var upperHalves func() (registers []int)

// soilRegisters fills the lower halves of the vector registers that a function need
// not keep with NaN.
// It is nil where that cannot be done.
var soilRegisters func()

// checkCallee returns what a function broke of its caller's state.
func checkCallee() error {
	if upperHalves != nil {
		if dirty := upperHalves(); len(dirty) > 0 {
			return fmt.Errorf("the upper halves of vector registers %v are in use after it: VZEROUPPER is missing", dirty)
		}
	}
	if got := goFloats(); got != goFloatsBefore {
		return fmt.Errorf("Go computes %x after it, want %x", got, goFloatsBefore)
	}
	return nil
}
