package kernels

import (
	"math"
	"testing"
)

// A half is a 16-bit format: its exponent has all bits but the sign and mantissa.
type half struct {
	name     string
	mantissa int
	decode   func(x []float32, b []uint16)
	encode   func(b []uint16, x []float32)
}

var halves = []half{{"BF16", 7, DecodeBF16, EncodeBF16}, {"F16", 10, DecodeF16, EncodeF16}}

// value is the number that b stands for by the definition of IEEE 754, section
// 3.4; NaN for all of those.
func (h half) value(b uint16) float64 {
	bits := 15 - h.mantissa
	exponent, fraction := int(b&0x7fff)>>h.mantissa, float64(int(b)&(1<<h.mantissa-1))
	bias, sign := 1<<(bits-1)-1, 1-2*float64(b>>15)
	switch exponent {
	case 0:
		return math.Copysign(math.Ldexp(fraction, 1-bias-h.mantissa), sign)
	case 1<<bits - 1:
		if fraction > 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(float64(int(1)<<h.mantissa)+fraction, exponent-bias-h.mantissa)
}

func (h half) one(x float32) uint16 {
	var b [1]uint16
	h.encode(b[:], []float32{x})
	return b[0]
}

// All 65,536 by definition, and back. Of NaN, sign and payload are kept, and the
// encoder makes it quiet.
func TestHalves(t *testing.T) {
	for _, h := range halves {
		b, x, back := make([]uint16, 1<<16), make([]float32, 1<<16), make([]uint16, 1<<16)
		for i := range b {
			b[i] = uint16(i)
		}
		h.decode(x, b)
		h.encode(back, x)
		for i, v := range b {
			want, got := h.value(v), math.Float32bits(x[i])
			wantBack := v
			if math.IsNaN(want) {
				payload := uint32(v) & (1<<h.mantissa - 1) << (23 - h.mantissa)
				if got != uint32(v>>15)<<31|0xff<<23|payload {
					t.Fatalf("%s: NaN %#04x decodes to %#08x", h.name, v, got)
				}
				wantBack |= 1 << (h.mantissa - 1)
			} else if got != math.Float32bits(float32(want)) {
				t.Fatalf("%s: %#04x decodes to %v, want %v", h.name, v, x[i], want)
			}
			if back[i] != wantBack {
				t.Fatalf("%s: %#04x decodes to %v and encodes to %#04x", h.name, v, x[i], back[i])
			}
		}
	}
}

// Between each two neighbours: the middle goes to the even one, what is beside it
// to the nearer one. The largest number's upper neighbour is where the next would
// be, which is Inf.
func TestHalvesRounding(t *testing.T) {
	for _, h := range halves {
		inf := uint16(1<<15 - 1<<h.mantissa)
		for low := uint16(0); low < inf; low++ {
			up := 2*h.value(low) - h.value(max(low, 1)-1) // only for the last
			if low+1 < inf {
				up = h.value(low + 1)
			}
			middle := float32((h.value(low) + up) / 2)
			even := low + low&1
			for x, want := range map[float32]uint16{
				middle:                      even,
				math.Nextafter32(middle, 0): low,
				math.Nextafter32(middle, float32(math.Inf(1))): low + 1,
			} {
				if got := h.one(x); got != want {
					t.Fatalf("%s: %v, between %#04x and the next, encodes to %#04x, want %#04x", h.name, x, low, got, want)
				}
				if got := h.one(-x); got != want|1<<15 {
					t.Fatalf("%s: %v encodes to %#04x, want %#04x", h.name, -x, got, want|1<<15)
				}
			}
		}
		if got := h.one(math.MaxFloat32); got != inf {
			t.Errorf("%s: the largest float32 encodes to %#04x, want Inf", h.name, got)
		}
		// A NaN whose payload lies in the bits that are dropped.
		if got := h.one(math.Float32frombits(0x7f800001)); !math.IsNaN(h.value(got)) {
			t.Errorf("%s: NaN encodes to %#04x", h.name, got)
		}
	}
}
