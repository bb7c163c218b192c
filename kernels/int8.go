package kernels

import (
	"fmt"
	"math"
)

// DecodeInt8 is the weight (rows×cols) that 8-bit integers and one scale a row
// stand for, x_ij = scale_i·q_ij, rounded once. It panics if an operand is too
// short or a size negative.
func DecodeInt8(rows, cols int, q []int8, ldq int, scale []float32, x []float32, ldx int) {
	const fn = "DecodeInt8"
	checkSize(fn, "rows", rows)
	checkSize(fn, "cols", cols)
	checkMatrix(fn, "q", rows, cols, q, ldq)
	checkVector(fn, "scale", rows, scale)
	checkMatrix(fn, "x", rows, cols, x, ldx)
	if cols == 0 {
		return
	}
	for i := range rows {
		decodeInt8(x[i*ldx:][:cols], q[i*ldq:], scale[i])
	}
}

// QuantizeInt8 rounds a weight (rows×cols) to 8-bit integers with one scale a row,
//
//	scale_i = max_j |x_ij| / 127
//	q_ij    = x_ij / scale_i, to the nearest, of two to the even one
//
// so that an element errs by half a scale (LLM.int8(), arXiv 2208.07339, section
// 2.1: absmax quantization). It returns an error, and an undefined result, if an
// element is not finite, and panics if an operand is too short or a size negative.
func QuantizeInt8(rows, cols int, x []float32, ldx int, q []int8, ldq int, scale []float32) error {
	const fn = "QuantizeInt8"
	checkSize(fn, "rows", rows)
	checkSize(fn, "cols", cols)
	checkMatrix(fn, "x", rows, cols, x, ldx)
	checkMatrix(fn, "q", rows, cols, q, ldq)
	checkVector(fn, "scale", rows, scale)
	if err := checkFinite(fn, rows, cols, x, ldx); err != nil {
		return err
	}
	if cols == 0 {
		clear(scale[:rows])
		return nil
	}
	for i := range rows {
		row := x[i*ldx:][:cols]
		s := largest(row) / 127
		scale[i] = s
		for j, v := range row {
			var r float64
			if s > 0 {
				r = math.RoundToEven(float64(v) / float64(s))
			}
			q[i*ldq+j] = int8(max(-127, min(r, 127))) // beyond if s is subnormal
		}
	}
	return nil
}

// largest returns max |x_i|, 0 if there is none.
func largest(x []float32) float32 {
	var m float32
	for _, v := range x {
		m = max(m, v, -v)
	}
	return m
}

// checkFinite returns an error that names the first element of x (rows×cols) that
// is NaN or infinite.
func checkFinite(fn string, rows, cols int, x []float32, ldx int) error {
	if cols == 0 {
		return nil
	}
	for i := range rows {
		for j, v := range x[i*ldx:][:cols] {
			if v-v != 0 {
				return fmt.Errorf("kernels: %s: x[%d][%d] = %v, need a finite number", fn, i, j, v)
			}
		}
	}
	return nil
}
