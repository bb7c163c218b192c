package kernels

import (
	"math"
	"math/rand/v2"
)

// decisions are what a trial is drawn from: bytes, as a fuzzer changes them, then
// numbers by a seed.
type decisions struct {
	bytes []byte
	*rand.Rand
	flavour int // of values: see value
	large   bool
	shift   int // of operands placed between
}

func (d *decisions) below(n int) int {
	if len(d.bytes) == 0 || n > 256 {
		return d.IntN(n)
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % n
}

func (d *decisions) coin() bool { return d.below(2) == 1 }

// size draws a number of rows or columns: nothing, one, all tails, and some beyond
// the widest tile.
func (d *decisions) size() int {
	switch d.below(12) {
	case 0:
		return d.below(2)
	case 1:
		return 60 + d.below(80)
	}
	return 1 + d.below(37)
}

// depth is size for a sum: also beyond one and two of its pieces.
func (d *decisions) depth() int {
	switch d.below(8) {
	case 0:
		return kc - 2 + d.below(5)
	case 1:
		return 2*kc - 1 + d.below(9)
	}
	return d.size()
}

// length is size for a vector; a large one is shared by threads.
func (d *decisions) length() int {
	if d.large {
		return 2*grain + d.below(100)
	}
	return d.size()
}

// value draws an element: by flavour a normal number, one of -20 to 20, one below
// the normal float32 or zero, or now and then NaN or Inf.
func (d *decisions) value() float32 {
	v := float32(d.NormFloat64())
	switch d.flavour {
	case 1:
		return max(-20, min(5*v, 20))
	case 2:
		return float32(int(4*v)) * 0x1p-140
	case 3:
		switch d.IntN(60) {
		case 0:
			return float32(math.NaN())
		case 1:
			return float32(math.Inf(1))
		case 2:
			return float32(math.Inf(-1))
		case 3:
			return 0
		}
	}
	return v
}
