package lora

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/geometry"
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

// decompose returns the singular triplets of the product, as many as it can
// have.
func (p product) decompose() (geometry.SVD, error) {
	return geometry.DecomposeProduct(p.b, mat.DenseCopyOf(p.a.T()))
}

// leading returns the best approximation of rank k; both factors have the
// roots of the singular values, as is best to train on.
func leading(d geometry.SVD, k int) product {
	out, _ := d.U.Dims()
	in, _ := d.V.Dims()
	b := mat.DenseCopyOf(d.U.Slice(0, out, 0, k))
	v := mat.DenseCopyOf(d.V.Slice(0, in, 0, k))
	for j, s := range d.S[:k] {
		scaleColumn(b, j, math.Sqrt(s))
		scaleColumn(v, j, math.Sqrt(s))
	}
	return product{b, mat.DenseCopyOf(v.T())}
}

// norm returns the Frobenius norm of the product, that of R·Sᵀ.
func (p product) norm() float64 {
	_, r := geometry.QR(p.b)
	_, s := geometry.QR(mat.DenseCopyOf(p.a.T()))
	var core mat.Dense
	core.Mul(r, s.T())
	return mat.Norm(&core, 2) // of a matrix this is Frobenius'
}

func scaleColumn(m *mat.Dense, k int, by float64) {
	rows, _ := m.Dims()
	for i := range rows {
		m.Set(i, k, by*m.At(i, k))
	}
}
