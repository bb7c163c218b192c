package kernels

// Softmax is the softmax of each of rows rows of n elements,
//
//	y_ij = exp(x_ij - max_k x_ik) / Σ_k exp(x_ik - max_k x_ik)
//
// y may be x. A row that holds NaN or +Inf, or only -Inf, becomes NaN.
func Softmax(rows, n int, x []float32, ldx int, y []float32, ldy int) {
	checkSize("Softmax", "rows", rows)
	checkSize("Softmax", "n", n)
	checkMatrix("Softmax", "x", rows, n, x, ldx)
	checkMatrix("Softmax", "y", rows, n, y, ldy)
	softmaxSpans.rows(rows, n, softmax{y: table{y, ldy, n}, x: table{x, ldx, n}})
}

// SoftmaxGrad is the gradient of Softmax, from its result y:
//
//	dx_ij = y_ij·(dy_ij - Σ_k dy_ik·y_ik)
//
// added to dx if acc is set. dx may be dy if it is not.
func SoftmaxGrad(rows, n int, y []float32, ldy int, dy []float32, lddy int, dx []float32, lddx int, acc bool) {
	checkSize("SoftmaxGrad", "rows", rows)
	checkSize("SoftmaxGrad", "n", n)
	checkMatrix("SoftmaxGrad", "y", rows, n, y, ldy)
	checkMatrix("SoftmaxGrad", "dy", rows, n, dy, lddy)
	checkMatrix("SoftmaxGrad", "dx", rows, n, dx, lddx)
	softmaxGradSpans.rows(rows, n, softmax{y: table{y, ldy, n}, dy: table{dy, lddy, n}, dx: table{dx, lddx, n}, acc: acc})
}

// A softmax is a call of Softmax or SoftmaxGrad.
type softmax struct {
	x, y, dy, dx table
	acc          bool
}

var (
	softmaxSpans     = spans[softmax]{body: softmax.forward}
	softmaxGradSpans = spans[softmax]{body: softmax.backward}
)

func (s softmax) forward(from, to int) {
	for i := from; i < to; i++ {
		x, y := s.x.row(i), s.y.row(i)
		total := expSum(y, x, maximum(x))
		scale(y, float32(1/total), y)
	}
}

func (s softmax) backward(from, to int) {
	for i := from; i < to; i++ {
		y, dy, dx := s.y.row(i), s.dy.row(i), s.dx.row(i)
		mean := dot(dy, y)
		softmaxInput(dx, y, dy, float32(mean), s.acc)
	}
}
