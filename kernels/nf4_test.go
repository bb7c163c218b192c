package kernels

import (
	"math"
	"testing"
)

// The 16 numbers as the paper builds them: quantiles of the normal distribution at
// even steps from 0.9677083 to ½, eight above 0 and seven below, by the largest.
// The paper's own were computed in float32: 2 units.
func TestNF4Numbers(t *testing.T) {
	const last = 0.9677083
	quantile := func(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
	for i, got := range nf4 {
		var want float64
		switch {
		case i < 7:
			want = -quantile(last + (0.5-last)*float64(i)/7)
		case i > 7:
			want = quantile(last + (0.5-last)*float64(15-i)/8)
		}
		want /= quantile(last)
		if math.Abs(float64(got)-want) > 4*unit {
			t.Errorf("number %d is %v, want %v", i, got, want)
		}
	}
}

// Where bitsandbytes cuts (dQuantizeNF4): above it is the next number. Its cuts are
// middles rounded one way or the other, so a unit beside them may go either way.
func TestNF4Cuts(t *testing.T) {
	for i, cut := range []float32{
		-0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
		-0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668,
		0.2920137718319893, 0.3893125355243683, 0.5016634166240692, 0.6427869200706482, 0.8614784181118011,
	} {
		down, up := math.Nextafter32(cut, -2), math.Nextafter32(math.Nextafter32(cut, 2), 2)
		below, above := nearest(nf4[:], down), nearest(nf4[:], up)
		if int(below) != i || int(above) != i+1 {
			t.Errorf("below %v is %d and above it %d, want %d and %d", cut, below, above, i, i+1)
		}
	}
}

// The definition, element by element, on parts drawn at random.
func TestDecodeNF4(t *testing.T) {
	const rows, cols, ld = 133, 131, 137 // blocks and groups end within rows
	value := normal(1)
	w := &NF4Weight{Rows: rows, Cols: cols, Offset: value()}
	fill := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(int(value() * 1000))
		}
		return b
	}
	w.Codes, w.Absmax, w.Map = fill((rows*cols+1)/2), fill(rows*cols/64+1), make([]float32, 256)
	for i := range w.Map {
		w.Map[i] = value()
	}
	w.Scale = []float32{value(), value()}
	x := newGuarded("x", rows, cols, ld, value)
	DecodeNF4(w, x.x, ld)
	for i := range rows {
		for j := range cols {
			e := i*cols + j
			code := w.Codes[e/2] & 15
			if e%2 == 0 {
				code = w.Codes[e/2] >> 4
			}
			absmax := float32(w.Map[w.Absmax[e/64]] * w.Scale[e/64/256]) // not fused with the sum
			absmax += w.Offset
			if got, want := x.x[i*ld+j], nf4[code]*absmax; got != want {
				t.Fatalf("element (%d, %d) is %v, want %v", i, j, got, want)
			}
		}
	}
	if err := x.check(false); err != nil {
		t.Error(err)
	}
}

// The largest gap of the 16 numbers is 0.304: an element errs by half of it times
// its block's largest, and that, in the worst decade of the 256 numbers, by half a
// 64th of 0.9 of its group's deviation.
func TestQuantizeNF4(t *testing.T) {
	const rows, cols, ld = 130, 260, 263
	x := newGuarded("x", rows, cols, ld, wide(2))
	w, err := QuantizeNF4(rows, cols, x.x, ld)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(w.Codes)+len(w.Absmax)+4*(len(w.Map)+len(w.Scale)+1), NF4.Bytes(rows, cols); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	y := make([]float32, rows*cols)
	DecodeNF4(w, y, cols)
	for i := range rows {
		for j := range cols {
			first := (i*cols + j) / 64 * 64
			var most float64
			for e := first; e < min(first+64, rows*cols); e++ {
				most = max(most, math.Abs(float64(x.x[e/cols*ld+e%cols])))
			}
			bound := 0.1521*most + float64(w.Scale[first/64/256])*0.9/128 + 8*unit*most
			if d := math.Abs(float64(y[i*cols+j] - x.x[i*ld+j])); d > bound {
				t.Fatalf("element (%d, %d) is off by %v, want %v at most", i, j, d, bound)
			}
		}
	}
	if err := x.check(true); err != nil {
		t.Error(err)
	}
}

// What the 16 numbers times a power of two can say comes back as it was.
func TestQuantizeNF4Exact(t *testing.T) {
	x := make([]float32, 200)
	for i := range x {
		x[i] = 4 * nf4[i*7%16]
	}
	w, err := QuantizeNF4(2, 100, x, 100)
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, 200)
	DecodeNF4(w, y, 100)
	if err := sameBits(y, x); err != nil {
		t.Error(err)
	}
	if w, err = QuantizeNF4(3, 5, make([]float32, 15), 5); err != nil {
		t.Fatal(err)
	}
	DecodeNF4(w, y[:15], 5)
	if err := sameBits(y[:15], make([]float32, 15)); err != nil {
		t.Errorf("of zeros: %v", err)
	}
}

// 256 different numbers from -0.99 to 1, the same on both sides but for 1, and 0.
func TestDynamicMap(t *testing.T) {
	m := dynamicMap()
	if len(m) != 256 || m[127] != 0 || m[255] != 1 {
		t.Fatalf("%d numbers, %v in the middle, %v last", len(m), m[127], m[255])
	}
	for i := range 127 {
		if m[i] >= m[i+1] || m[i] != -m[254-i] {
			t.Errorf("numbers %d, %d and %d are %v, %v and %v", i, i+1, 254-i, m[i], m[i+1], m[254-i])
		}
	}
	// The smallest is the middle of 10⁻⁷ and 10⁻⁶, the largest below 1 that of
	// the last 64th.
	if m[128] != 0.55e-6 || m[254] != 1-0.45/64 {
		t.Errorf("the smallest is %v, the last but one %v", m[128], m[254])
	}
}
