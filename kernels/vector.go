package kernels

// Axpy is y += alpha·x, element by element:
//
//	for i := range x {
//		y[i] += alpha * x[i]
//	}
//
// It panics if the lengths differ.
func Axpy(alpha float32, x, y []float32) {
	checkLen("Axpy", "y", len(y), "x", len(x))
	axpySpans.elements(len(x), vectors{y: y, a: x, alpha: alpha})
}

// Scale is x = alpha·x, element by element.
func Scale(alpha float32, x []float32) {
	scaleSpans.elements(len(x), vectors{y: x, alpha: alpha})
}

// Copy is dst = x, element by element: the copy of Go, on the threads. It panics if
// the lengths differ.
func Copy(dst, x []float32) {
	checkLen("Copy", "x", len(x), "dst", len(dst))
	copySpans.elements(len(dst), vectors{y: dst, a: x})
}

// Add is dst = a + b, element by element. dst may be a or b. It panics if the
// lengths differ.
func Add(dst, a, b []float32) {
	checkLen("Add", "a", len(a), "dst", len(dst))
	checkLen("Add", "b", len(b), "dst", len(dst))
	addSpans.elements(len(dst), vectors{y: dst, a: a, b: b})
}

// Mul is dst = a·b, element by element. dst may be a or b. It panics if the
// lengths differ.
func Mul(dst, a, b []float32) {
	checkLen("Mul", "a", len(a), "dst", len(dst))
	checkLen("Mul", "b", len(b), "dst", len(dst))
	mulSpans.elements(len(dst), vectors{y: dst, a: a, b: b})
}

// MulAdd is dst += a·b, element by element. dst may be a or b. It panics if the
// lengths differ.
func MulAdd(dst, a, b []float32) {
	checkLen("MulAdd", "a", len(a), "dst", len(dst))
	checkLen("MulAdd", "b", len(b), "dst", len(dst))
	mulAddSpans.elements(len(dst), vectors{y: dst, a: a, b: b})
}

var (
	axpySpans   = spans[vectors]{body: func(v vectors, i, j int) { axpy(v.alpha, v.a[i:j], v.y[i:j]) }}
	copySpans   = spans[vectors]{body: func(v vectors, i, j int) { copy(v.y[i:j], v.a[i:j]) }}
	scaleSpans  = spans[vectors]{body: func(v vectors, i, j int) { scale(v.y[i:j], v.alpha, v.y[i:j]) }}
	addSpans    = spans[vectors]{body: func(v vectors, i, j int) { add(v.y[i:j], v.a[i:j], v.b[i:j]) }}
	mulSpans    = spans[vectors]{body: func(v vectors, i, j int) { mul(v.y[i:j], 1, v.a[i:j], v.b[i:j]) }}
	mulAddSpans = spans[vectors]{body: func(v vectors, i, j int) { mulAdd(v.y[i:j], 1, v.a[i:j], v.b[i:j]) }}
)

// FillRows makes each of rows rows of y the n elements of x.
func FillRows(rows, n int, x, y []float32, ldy int) {
	checkSize("FillRows", "rows", rows)
	checkSize("FillRows", "n", n)
	checkVector("FillRows", "x", n, x)
	checkMatrix("FillRows", "y", rows, n, y, ldy)
	rowFilling.rows(rows, n, scaling{g: x[:n], y: table{y, ldy, n}})
}

// ScaleRows multiplies each of rows rows of n elements by its own factor,
// y_ij = g_i·x_ij, and adds to y instead if acc is set. y may be x if it is not.
func ScaleRows(rows, n int, x []float32, ldx int, g []float32, y []float32, ldy int, acc bool) {
	checkSize("ScaleRows", "rows", rows)
	checkSize("ScaleRows", "n", n)
	checkMatrix("ScaleRows", "x", rows, n, x, ldx)
	checkVector("ScaleRows", "g", rows, g)
	checkMatrix("ScaleRows", "y", rows, n, y, ldy)
	rowScaling.rows(rows, n, scaling{table{x, ldx, n}, g, table{y, ldy, n}, acc})
}

// ScaleCols multiplies each of n columns of rows elements by its own factor,
// y_ij = g_j·x_ij, and adds to y instead if acc is set. y may be x if it is not.
func ScaleCols(rows, n int, x []float32, ldx int, g []float32, y []float32, ldy int, acc bool) {
	checkSize("ScaleCols", "rows", rows)
	checkSize("ScaleCols", "n", n)
	checkMatrix("ScaleCols", "x", rows, n, x, ldx)
	checkVector("ScaleCols", "g", n, g)
	checkMatrix("ScaleCols", "y", rows, n, y, ldy)
	columnScaling.rows(rows, n, scaling{table{x, ldx, n}, g[:n], table{y, ldy, n}, acc})
}

// A scaling is a call of ScaleRows or ScaleCols, or one of FillRows with g.
type scaling struct {
	x   table
	g   []float32
	y   table
	acc bool
}

var (
	rowScaling    = spans[scaling]{body: scaling.eachRow}
	columnScaling = spans[scaling]{body: scaling.eachColumn}
	rowFilling    = spans[scaling]{body: scaling.fill}
)

func (s scaling) fill(from, to int) {
	for i := from; i < to; i++ {
		copy(s.y.row(i), s.g)
	}
}

func (s scaling) eachRow(from, to int) {
	for i := from; i < to; i++ {
		if s.acc {
			axpy(s.g[i], s.x.row(i), s.y.row(i))
		} else {
			scale(s.y.row(i), s.g[i], s.x.row(i))
		}
	}
}

func (s scaling) eachColumn(from, to int) {
	for i := from; i < to; i++ {
		if s.acc {
			mulAdd(s.y.row(i), 1, s.x.row(i), s.g)
		} else {
			mul(s.y.row(i), 1, s.x.row(i), s.g)
		}
	}
}

// Dot returns Σ x_i·y_i. Products and sum are float64, so the products are exact
// and the result errs by less than len(x)·2⁻⁵³·Σ|x_i·y_i|; it runs on the calling
// goroutine, in an order that depends on the length alone. It panics if the
// lengths differ.
func Dot(x, y []float32) float64 {
	checkLen("Dot", "y", len(y), "x", len(x))
	return dot(x, y)
}

// SumSquares returns Σ x_i², as Dot does.
func SumSquares(x []float32) float64 { return dot(x, x) }
