package geometry

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/internal/gram"
)

// Rows is a matrix of N rows of Dim values, one after the other.
type Rows = gram.Rows

// A Product is the update ΔW = S·B·A, out×in, by its factors A n×in and
// Bᵀ n×out.
type Product struct {
	A, Bt Rows
	S     float64
}

// Of returns s·b·a for a n×in and b out×n, of which it copies b.
func Of(s float64, b []float32, out int, a []float32, in int) Product {
	n := len(a) / in
	bt := make([]float32, len(b))
	gram.Transpose(bt, b, out, n)
	return Product{Rows{N: n, Dim: in, Data: a}, Rows{N: n, Dim: out, Data: bt}, s}
}

var errNotFinite = errors.New("a factor is not finite")

// columns copies x into float64, transposed: a column a row.
func columns(x Rows) (*mat.Dense, error) {
	c := mat.NewDense(x.Dim, x.N, nil)
	raw := c.RawMatrix().Data
	for i := range x.N {
		for j, v := range x.Row(i) {
			f := float64(v)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, errNotFinite
			}
			raw[j*x.N+i] = f
		}
	}
	return c, nil
}
