package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/kernels"
)

// Dense copies a matrix, rows×cols, to float64. A value that is not finite is
// an error: it has no decomposition.
func Dense(w []float32, rows, cols int) (*mat.Dense, error) {
	d := make([]float64, len(w))
	for i, x := range w {
		d[i] = float64(x)
		if math.IsNaN(d[i]) || math.IsInf(d[i], 0) {
			return nil, fmt.Errorf("entry (%d, %d) is %v", i/cols, i%cols, x)
		}
	}
	return mat.NewDense(rows, cols, d), nil
}

// A matrix is w + b·aᵀ, out×in, known by what it does to vectors; b out×n and a
// in×n may be nil.
type matrix struct {
	w      *mat.Dense
	narrow []float32 // w, where products with it are in float32
	b, a   *mat.Dense
}

// large is from how many values on a weight is multiplied in float32, some
// thirty times as fast: what comes of it is good to about 1e-6 of its largest
// singular value, as are weights that were stored in 16 bits or trained in 32.
var large = 1 << 21

func of(w *mat.Dense) matrix {
	m := matrix{w: w}
	if out, in := w.Dims(); out*in >= large {
		m.narrow = narrow(w)
	}
	return m
}

func narrow(w *mat.Dense) []float32 { return narrowTimes(1, w) }

func narrowTimes(c float64, w *mat.Dense) []float32 {
	rows, cols := w.Dims()
	x := make([]float32, 0, rows*cols)
	for i := range rows {
		for _, v := range w.RawRowView(i) {
			x = append(x, float32(c*v))
		}
	}
	return x
}

// sum is w + ΔW.
func sum(w *mat.Dense, p Product) (m matrix, err error) {
	m = of(w)
	if m.a, err = columns(p.A); err != nil {
		return m, err
	}
	if m.b, err = columns(p.Bt); err != nil {
		return m, err
	}
	m.b.Scale(p.S, m.b)
	return m, nil
}

// enough is the residual, of the largest eigenvalue, at which vectors of this
// matrix have converged.
func (m matrix) enough() float64 {
	if m.narrow != nil {
		return 2e-6 // some roundings of float32
	}
	return converged
}

// times returns m·x.
func (m matrix) times(x *mat.Dense) *mat.Dense {
	return plus(m.product(kernels.NN, m.w, x), m.b, m.a, x)
}

// turned returns mᵀ·x.
func (m matrix) turned(x *mat.Dense) *mat.Dense {
	return plus(m.product(kernels.TN, m.w.T(), x), m.a, m.b, x)
}

// product returns w·x, w out×in or its transpose.
func (m matrix) product(op kernels.Op, w mat.Matrix, x *mat.Dense) *mat.Dense {
	if m.narrow == nil {
		return multiply(w, x)
	}
	rows, n := w.Dims()
	_, k := x.Dims()
	_, ld := m.w.Dims()
	y := make([]float32, rows*k)
	kernels.MatMul(op, false, rows, k, n, m.narrow, ld, narrow(x), k, y, k)
	wide := make([]float64, len(y))
	for i, v := range y {
		wide[i] = float64(v)
	}
	return mat.NewDense(rows, k, wide)
}

// plus adds b·aᵀ·x to y.
func plus(y, b, a, x *mat.Dense) *mat.Dense {
	if b != nil {
		y.Add(y, multiply(b, multiply(a.T(), x)))
	}
	return y
}

// Leading returns the k largest triplets of w, out×in, or all there are: those
// of the Krylov space of w·wᵀ (or wᵀ·w, the smaller) from random directions,
// enlarged until they no longer change. Directions whose singular values are
// equal are some basis of their space. The numbers of rng decide nothing but
// rounding.
func Leading(w *mat.Dense, k int, rng *rand.Rand) (SVD, error) {
	return of(w).leading(k, nil, nil, rng)
}

// LeadingSum returns the k largest triplets of w + ΔW.
func LeadingSum(w *mat.Dense, p Product, k int, rng *rand.Rand) (SVD, error) {
	m, err := sum(w, p)
	if err != nil {
		return SVD{}, err
	}
	return m.leading(k, m.b, m.a, rng)
}

// leading starts from the columns of left or of right, and from random ones.
func (m matrix) leading(k int, left, right *mat.Dense, rng *rand.Rand) (SVD, error) {
	out, in := m.w.Dims()
	k = min(k, out, in)
	if out <= in {
		x, _, err := symmetric(out, k, left, m.enough(), rng, func(x *mat.Dense) *mat.Dense { return m.times(m.turned(x)) })
		if err != nil {
			return SVD{}, err
		}
		return project(x, m.turned(x))
	}
	x, _, err := symmetric(in, k, right, m.enough(), rng, func(x *mat.Dense) *mat.Dense { return m.turned(m.times(x)) })
	if err != nil {
		return SVD{}, err
	}
	d, err := project(x, m.times(x))
	d.U, d.V = d.V, d.U
	return d, err
}

// project returns the triplets of x·yᵀ for orthonormal x and y = mᵀ·x: those of
// m within the subspace x.
func project(x, y *mat.Dense) (SVD, error) {
	q, r := QR(y)
	d, err := Decompose(r) // m = x·rᵀ·qᵀ
	if err != nil {
		return d, err
	}
	var u, v mat.Dense
	u.Mul(x, d.V)
	v.Mul(q, d.U)
	d.U, d.V = &u, &v
	d.FixSigns()
	return d, nil
}
