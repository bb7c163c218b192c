package kernels

import (
	"math"
	"strings"
	"testing"
)

// Half a scale, and what the quotient and the product round.
func TestInt8(t *testing.T) {
	const rows, cols, ldx, ldq = 40, 37, 41, 39
	x := newGuarded("x", rows, cols, ldx, wide(1))
	clear(x.x[3*ldx:][:cols])
	for j := range cols { // subnormal: 127 steps are not to be had
		x.x[4*ldx+j] = float32(j-18) * tiny
	}
	x.freeze()
	q, scale, got := make([]int8, rows*ldq), make([]float32, rows), make([]float32, rows*cols)
	for i := range q {
		q[i] = -128
	}
	if err := QuantizeInt8(rows, cols, x.x, ldx, q, ldq, scale); err != nil {
		t.Fatal(err)
	}
	DecodeInt8(rows, cols, q, ldq, scale, got, cols)
	for i := range rows {
		row, most := x.doubles(i), 0.0
		for _, v := range row {
			most = max(most, math.Abs(v))
		}
		if want := float32(most) / 127; scale[i] != want {
			t.Errorf("scale[%d] = %v, want %v", i, scale[i], want)
		}
		for j, v := range row {
			if bound := most/254*(1+4*unit) + 4*unit*math.Abs(v) + 64*tiny; math.Abs(float64(got[i*cols+j])-v) > bound {
				t.Errorf("x[%d][%d] = %v becomes %v, want ± %v", i, j, v, got[i*cols+j], bound)
			}
			if want := scale[i] * float32(q[i*ldq+j]); got[i*cols+j] != want {
				t.Errorf("%v·%d decodes to %v", scale[i], q[i*ldq+j], got[i*cols+j])
			}
		}
	}
	for i, v := range q {
		if i%ldq >= cols && v != -128 {
			t.Fatalf("the padding q[%d] is %d", i, v)
		}
	}
	if err := x.check(true); err != nil {
		t.Error(err)
	}
}

// By hand: ties to even, and both ends.
func TestInt8Rounding(t *testing.T) {
	x := []float32{127, -127, 2.5, 3.5, -2.5, 0.4999, 0}
	q, scale := make([]int8, len(x)), make([]float32, 1)
	if err := QuantizeInt8(1, len(x), x, len(x), q, len(x), scale); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int8{127, -127, 2, 4, -2, 0, 0} {
		if q[i] != want {
			t.Errorf("%v becomes %d, want %d", x[i], q[i], want)
		}
	}
}

func TestQuantizeNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		x := []float32{1, 2, 3, 4, 5, float32(bad)}
		err8 := QuantizeInt8(2, 3, x, 3, make([]int8, 6), 3, make([]float32, 2))
		_, err4 := QuantizeNF4(2, 3, x, 3)
		for _, err := range []error{err8, err4} {
			if err == nil || !strings.Contains(err.Error(), ": x[1][2] = ") {
				t.Errorf("%v: error %v", bad, err)
			}
		}
	}
}
