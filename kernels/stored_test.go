package kernels

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// A matrix in any format, packed a few columns at a time, is the panels of its
// float32, and products of the parts have the bits of the product of the whole: at
// every level, in both directions, with columns that no panel and no block ends at.
func TestStoredColumns(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		const rows, cols, m, r = 203, 531, 5, 3
		value := normal(3)
		draw := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = value()
			}
			return x
		}
		x := draw(rows * cols)
		once, err := QuantizeNF4Once(rows, cols, x, cols)
		if err != nil {
			t.Fatal(err)
		}
		all := []*Stored{{Format: NF4, Rows: rows, Cols: cols, NF4: once}}
		for d := F32; d <= NF4; d++ {
			s, err := Quantize(d, rows, cols, x)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		for i, s := range all {
			d := fmt.Sprint(i, s.Format)
			full := make([]float32, rows*cols)
			s.Decode(full, 0)
			part := make([]float32, 70)
			if s.Decode(part, 500); !slices.Equal(part, full[500:570]) {
				t.Errorf("%s: a part differs from the whole", d)
			}
			for _, op := range []Op{NN, NT} {
				k, n := rows, cols
				if op == NT {
					k, n = n, k
				}
				a, u, q := draw(m*k), draw(m*r), draw(r*n)
				want, got := make([]float32, m*n), make([]float32, m*n)
				MatMulPackedPlus(false, m, a, k, Pack(op, k, n, full, cols), NN, r, u, r, q, n, want, n)
				var p Packed
				for from := 0; from < n; from += 100 {
					to := min(n, from+100)
					p.RepackStored(op, s, from, to)
					MatMulPackedPlus(false, m, a, k, &p, NN, r, u, r, q[from:], n, got[from:], n)
				}
				if err := sameBits(got, want); err != nil {
					t.Errorf("%s %v: %v", d, op, err)
				}
			}
		}
	})
}

// The table of codes gives the nearest number everywhere, also at the cuts.
func TestNF4Nearest(t *testing.T) {
	check := func(v float32) {
		if got, want := nf4Nearest(v), nearest(nf4[:], v); got != want {
			t.Errorf("%v: %d, want %d", v, got, want)
		}
	}
	for i := range 1 << 16 {
		check(float32(i)/(1<<15) - 1)
	}
	check(1)
	for _, cut := range nf4Cuts[:15] {
		c := float32(cut)
		for _, v := range []float32{c, math.Nextafter32(c, -2), math.Nextafter32(c, 2)} {
			check(v)
		}
	}
}
