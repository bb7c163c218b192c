package lora

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
)

// A product is the matrix b·a, out×in, with b out×k and a k×in, in float64. It
// is never formed.
type product struct{ b, a *mat.Dense }

// productOf copies the factors a k×in and b out×k, which must be finite.
func productOf(a, b ag.Tensor) (p product, err error) {
	if p.a, err = wide(a); err != nil {
		return p, fmt.Errorf("A: %w", err)
	}
	if p.b, err = wide(b); err != nil {
		return p, fmt.Errorf("B: %w", err)
	}
	return p, nil
}

// wide copies a tensor to float64.
func wide(t ag.Tensor) (*mat.Dense, error) {
	rows, cols := ag.Dims(t)
	d := make([]float64, rows*cols)
	for i, x := range ag.Floats(t) {
		if d[i] = float64(x); math.IsNaN(d[i]) || math.IsInf(d[i], 0) {
			return nil, fmt.Errorf("entry (%d, %d) is %v: must be finite", i/cols, i%cols, x)
		}
	}
	return mat.NewDense(rows, cols, d), nil
}

// narrow copies a matrix to float32.
func narrow(m *mat.Dense) []float32 {
	raw := m.RawMatrix()
	x := make([]float32, 0, raw.Rows*raw.Cols)
	for i := range raw.Rows {
		for _, v := range m.RawRowView(i) {
			x = append(x, float32(v))
		}
	}
	return x
}

func (p product) rank() int { _, k := p.b.Dims(); return k }

func (p product) dims() (out, in int) {
	out, _ = p.b.Dims()
	_, in = p.a.Dims()
	return out, in
}

// round makes the factors what they are in float32, or refuses those that it
// cannot hold.
func (p product) round() error {
	for _, m := range []*mat.Dense{p.a, p.b} {
		rows, _ := m.Dims()
		for i := range rows {
			row := m.RawRowView(i)
			for j, v := range row {
				if row[j] = float64(float32(v)); math.IsNaN(row[j]) || math.IsInf(row[j], 0) {
					return fmt.Errorf("a factor is %g: beyond float32", v)
				}
			}
		}
	}
	return nil
}

// stacked returns the sum of products, [b_1, b_2, …]·[a_1; a_2; …].
func stacked(ps ...product) product {
	sum := product{mat.DenseCopyOf(ps[0].b), mat.DenseCopyOf(ps[0].a)}
	for _, p := range ps[1:] {
		var b, a mat.Dense
		b.Augment(sum.b, p.b)
		a.Stack(sum.a, p.a)
		sum = product{&b, &a}
	}
	return sum
}

// A decomposition is u·diag(s)·vᵀ, with u out×p, v in×p and s from the largest.
type decomposition struct {
	u, v *mat.Dense
	s    []float64
}

// decompose returns the singular triplets of the product, as many as it can
// have: with thin b = Q·R and aᵀ = P·S those of the small R·Sᵀ. Each sign is
// the one that makes the largest entry of u positive, the first among equals.
func (p product) decompose() (decomposition, error) {
	q, r := thinQR(p.b)
	t, s := thinQR(mat.DenseCopyOf(p.a.T()))
	var core mat.Dense
	core.Mul(r, s.T())
	// LAPACK rescales what is very small or very large, in which gonum is not
	// to be relied upon; a power of two is exact.
	_, exp := math.Frexp(mat.Max(absolute(&core)))
	core.Scale(math.Ldexp(1, -exp), &core)
	var svd mat.SVD
	if !svd.Factorize(&core, mat.SVDThin) {
		return decomposition{}, errors.New("its singular value decomposition did not converge")
	}
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	d := decomposition{new(mat.Dense), new(mat.Dense), svd.Values(nil)}
	d.u.Mul(q, &u)
	d.v.Mul(t, &v)
	for k := range d.s {
		d.s[k] = math.Ldexp(d.s[k], exp)
		if largest(d.u, k) < 0 {
			scaleColumn(d.u, k, -1)
			scaleColumn(d.v, k, -1)
		}
	}
	return d, nil
}

// leading returns the best approximation of rank k; both factors have the
// roots of the singular values, as is best to train on.
func (d decomposition) leading(k int) product {
	out, _ := d.u.Dims()
	in, _ := d.v.Dims()
	b := mat.DenseCopyOf(d.u.Slice(0, out, 0, k))
	v := mat.DenseCopyOf(d.v.Slice(0, in, 0, k))
	for j, s := range d.s[:k] {
		scaleColumn(b, j, math.Sqrt(s))
		scaleColumn(v, j, math.Sqrt(s))
	}
	return product{b, mat.DenseCopyOf(v.T())}
}

// norm returns the Frobenius norm of the product, that of R·Sᵀ.
func (p product) norm() float64 {
	_, r := thinQR(p.b)
	_, s := thinQR(mat.DenseCopyOf(p.a.T()))
	var core mat.Dense
	core.Mul(r, s.T())
	return mat.Norm(&core, 2) // of a matrix this is Frobenius'
}

// thinQR returns w = q·r for w m×n, with q m×p and r p×n, p = min(m, n).
func thinQR(w *mat.Dense) (q, r *mat.Dense) {
	m, n := w.Dims()
	p := min(m, n)
	// The first p columns determine q, and gonum's QR would make it m×m.
	q = mat.DenseCopyOf(w.Slice(0, m, 0, p))
	tau, size := make([]float64, p), make([]float64, 1)
	lapack64.Geqrf(q.RawMatrix(), tau, size, -1)
	work := make([]float64, int(size[0]))
	lapack64.Geqrf(q.RawMatrix(), tau, work, len(work))
	lapack64.Orgqr(q.RawMatrix(), tau, work, len(work))
	r = new(mat.Dense)
	r.Mul(q.T(), w)
	return q, r
}

func absolute(m *mat.Dense) *mat.Dense {
	var a mat.Dense
	a.Apply(func(_, _ int, v float64) float64 { return math.Abs(v) }, m)
	return &a
}

// largest returns the entry of column k with the largest size.
func largest(m *mat.Dense, k int) float64 {
	rows, _ := m.Dims()
	most := 0.0
	for i := range rows {
		if v := m.At(i, k); math.Abs(v) > math.Abs(most) {
			most = v
		}
	}
	return most
}

func scaleColumn(m *mat.Dense, k int, by float64) {
	rows, _ := m.Dims()
	for i := range rows {
		m.Set(i, k, by*m.At(i, k))
	}
}
