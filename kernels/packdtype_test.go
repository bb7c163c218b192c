package kernels

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Every format packs to the bits of Pack of what it decodes to, at every level, and
// so all products are the same.
func TestPackDtypes(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for i, c := range []productCase{{m: 3, n: 0, k: 5}, {m: 3, n: 5, k: 0}, {m: 1, n: 1, k: 1}, {m: 5, n: 17, k: 9}, {m: 7, n: 33, k: kc + 3}, {m: 2, n: 700, k: 70}, {m: 9, n: 64, k: 2 * kc}, {m: 2, n: 1, k: 600}} {
			for _, op := range []Op{NN, NT} {
				rows, cols := c.k, c.n
				if op == NT {
					rows, cols = c.n, c.k
				}
				r := rand.New(rand.NewPCG(uint64(i), 7))
				pad := i % 4
				ld := cols + pad
				x, a := newGuarded("x", rows, cols, ld, normal(uint64(i))), newGuarded("a", c.m, c.k, c.k, normal(9))
				words, bytes, scale := make([]uint16, len(x.x)), make([]int8, len(x.x)), make([]float32, rows)
				check := func(d Dtype, p *Packed, decode func(y []float32)) {
					y := make([]float32, len(x.x))
					decode(y)
					want := Pack(op, c.k, c.n, y, ld)
					if err := sameBits(p.buf, want.buf); err != nil || len(p.buf) != len(want.buf) {
						t.Fatalf("%v %v %v: %d elements packed, want %d: %v", d, op, c, len(p.buf), len(want.buf), err)
					}
					got, product := make([]float32, c.m*c.n), make([]float32, c.m*c.n)
					MatMulPacked(false, c.m, a.x, c.k, p, got, c.n)
					MatMul(op, false, c.m, c.n, c.k, a.x, c.k, y, ld, product, c.n)
					if err := sameBits(got, product); err != nil {
						t.Fatalf("%v %v %v: product: %v", d, op, c, err)
					}
				}
				for i := range words {
					words[i] = uint16(r.Uint32())&0xbfff | 1<<12 // any finite numbers, none below the normal ones
				}
				check(BF16, PackBF16(op, c.k, c.n, words, ld), func(y []float32) { DecodeBF16(y, words) })
				check(F16, PackF16(op, c.k, c.n, words, ld), func(y []float32) { DecodeF16(y, words) })
				if err := QuantizeInt8(rows, cols, x.x, ld, bytes, ld, scale); err != nil {
					t.Fatal(err)
				}
				check(Int8, PackInt8(op, c.k, c.n, bytes, ld, scale), func(y []float32) { DecodeInt8(rows, cols, bytes, ld, scale, y, ld) })
				w, err := QuantizeNF4(rows, cols, x.x, ld)
				if err != nil {
					t.Fatal(err)
				}
				check(NF4, PackNF4(op, w), func(y []float32) { DecodeNF4(w, y, ld) })
			}
		}
	})
}

func TestDtypeNames(t *testing.T) {
	for d := F32; d <= NF4; d++ {
		if got, err := ParseDtype(strings.ToUpper(d.String())); got != d || err != nil {
			t.Errorf("ParseDtype(%q) = %v, %v", d.String(), got, err)
		}
	}
	if _, err := ParseDtype("fp4"); err == nil || err.Error() != `kernels: dtype "fp4": want one of f32, bf16, f16, int8, nf4` {
		t.Error(err)
	}
}

func TestDtypeBytes(t *testing.T) {
	for d, want := range map[Dtype]int{F32: 4 << 20, BF16: 2 << 20, F16: 2 << 20, Int8: 1<<20 + 4<<10, NF4: 1<<19 + 1<<14 + 4<<6 + 1028} {
		if got := d.Bytes(1024, 1024); got != want {
			t.Errorf("%v: %d bytes, want %d", d, got, want)
		}
	}
}

func TestDtypeArguments(t *testing.T) {
	w := &NF4Weight{Rows: 8, Cols: 8, Codes: make([]byte, 31), Absmax: make([]byte, 1), Map: make([]float32, 256), Scale: make([]float32, 1)}
	for _, c := range []struct {
		want string
		call func()
	}{
		{"kernels: PackBF16: len(b) = 5, need 6 (2 rows of 3, ld 3)", func() { PackBF16(NN, 2, 3, make([]uint16, 5), 3) }},
		{"kernels: PackF16: ldb = 1, need at least 2 (columns of b)", func() { PackF16(NT, 2, 3, make([]uint16, 5), 1) }},
		{"kernels: PackInt8: len(scale) = 2, need 3", func() { PackInt8(NT, 2, 3, make([]int8, 6), 2, make([]float32, 2)) }},
		{"kernels: PackInt8: op = TN, cannot say how b is held", func() { PackInt8(TN, 2, 3, make([]int8, 6), 2, make([]float32, 2)) }},
		{"kernels: PackNF4: len(w.Codes) = 31, need 32", func() { PackNF4(NN, w) }},
		{"kernels: DecodeNF4: len(w.Codes) = 31, need 32", func() { DecodeNF4(w, make([]float32, 64), 8) }},
		{"kernels: DecodeInt8: len(q) = 3, need 4 (2 rows of 2, ld 2)", func() { DecodeInt8(2, 2, make([]int8, 3), 2, make([]float32, 2), make([]float32, 4), 2) }},
		{"kernels: QuantizeInt8: rows = -1, need at least 0", func() { _ = QuantizeInt8(-1, 2, nil, 2, nil, 2, nil) }},
		{"kernels: QuantizeNF4: len(x) = 3, need 4 (2 rows of 2, ld 2)", func() { _, _ = QuantizeNF4(2, 2, make([]float32, 3), 2) }},
		{"kernels: DecodeBF16: len(b) = 1, need 2 (len(x))", func() { DecodeBF16(make([]float32, 2), make([]uint16, 1)) }},
		{"kernels: EncodeF16: len(x) = 1, need 2 (len(b))", func() { EncodeF16(make([]uint16, 2), make([]float32, 1)) }},
		{"kernels: Bytes: Dtype(9) is none of the formats", func() { Dtype(9).Bytes(1, 1) }},
	} {
		if got := panics(c.call); got != c.want {
			t.Errorf("panics with %q, want %q", got, c.want)
		}
	}
}

func ExamplePackNF4() {
	w0 := []float32{ // 2×2
		1, -1,
		0, 1,
	}
	w, err := QuantizeNF4(2, 2, w0, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	y := make([]float32, 2)
	MatMulPacked(false, 1, []float32{3, 5}, 2, PackNF4(NT, w), y, 2) // y = x·W0ᵀ
	fmt.Println(y)
	// Output: [-2 5]
}

// BenchmarkPackDtypes times packing a layer from each format, and a product of 256
// rows with it, which it is to be measured by.
func BenchmarkPackDtypes(b *testing.B) {
	const m, n, k = 256, 768, 768
	x := newGuarded("x", n, k, k, normal(1)).x
	words, bytes, scale := make([]uint16, n*k), make([]int8, n*k), make([]float32, n)
	EncodeBF16(words, x)
	if err := QuantizeInt8(n, k, x, k, bytes, k, scale); err != nil {
		b.Fatal(err)
	}
	w, err := QuantizeNF4(n, k, x, k)
	if err != nil {
		b.Fatal(err)
	}
	a, c, p := make([]float32, m*k), make([]float32, m*n), Pack(NT, k, n, x, k)
	for name, f := range map[string]func(){
		"product": func() { MatMulPacked(false, m, a, k, p, c, n) },
		"f32":     func() { Pack(NT, k, n, x, k) },
		"bf16":    func() { PackBF16(NT, k, n, words, k) },
		"f16":     func() { PackF16(NT, k, n, words, k) },
		"int8":    func() { PackInt8(NT, k, n, bytes, k, scale) },
		"nf4":     func() { PackNF4(NT, w) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
