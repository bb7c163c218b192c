package kernels

import "fmt"

// RoPE rotates the pairs (i, i+dim/2) of each head by the angles of its row
// (rotary position embedding, arXiv 2104.09864, in Hugging Face's pairing). x and
// y are rows × heads·dim, cos and sin positions × dim/2 without gaps, of which row i
// takes row i mod positions; with h = dim/2, in each head
//
//	y[i]   = x[i]·cos[i]   - x[i+h]·sin[i]
//	y[i+h] = x[i+h]·cos[i] + x[i]·sin[i]
//
// y may be x. It panics if dim is odd or positions is not above zero.
func RoPE(rows, heads, dim int, x []float32, ldx, positions int, cos, sin []float32, y []float32, ldy int) {
	rope("RoPE", rows, heads, dim, "x", x, ldx, positions, cos, sin, 1, "y", y, ldy, false)
}

// RoPEGrad is the gradient of RoPE: it rotates dy back, and adds to dx if acc is
// set. dx may be dy if it is not.
func RoPEGrad(rows, heads, dim int, dy []float32, lddy, positions int, cos, sin []float32, dx []float32, lddx int, acc bool) {
	rope("RoPEGrad", rows, heads, dim, "dy", dy, lddy, positions, cos, sin, -1, "dx", dx, lddx, acc)
}

func rope(fn string, rows, heads, dim int, from string, x []float32, ldx, positions int, cos, sin []float32, sign float32, into string, y []float32, ldy int, acc bool) {
	checkSize(fn, "rows", rows)
	checkSize(fn, "heads", heads)
	checkSize(fn, "dim", dim)
	if dim%2 != 0 {
		panic(fmt.Sprintf("kernels: %s: dim = %d, need an even number", fn, dim))
	}
	if positions < 1 {
		panic(fmt.Sprintf("kernels: %s: positions = %d, need at least 1", fn, positions))
	}
	n, h := heads*dim, dim/2
	checkMatrix(fn, from, rows, n, x, ldx)
	checkVector(fn, "cos", min(rows, positions)*h, cos)
	checkVector(fn, "sin", min(rows, positions)*h, sin)
	checkMatrix(fn, into, rows, n, y, ldy)
	ropeSpans.rows(rows, n, rotation{table{x, ldx, n}, table{y, ldy, n}, table{cos, h, h}, table{sin, h, h}, positions, sign, acc})
}

// A rotation is a call of RoPE or RoPEGrad.
type rotation struct {
	x, y, cos, sin table
	positions      int
	sign           float32
	acc            bool
}

var ropeSpans = spans[rotation]{body: rotation.run}

func (r rotation) run(from, to int) {
	for i := from; i < to; i++ {
		p := i % r.positions
		rotateHeads(r.y.row(i), r.x.row(i), r.cos.row(p), r.sin.row(p), r.sign, r.acc)
	}
}
