package probe

import (
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
)

// kept are orthonormal bases of two subspaces that ΔW is compared with, one of outputs
// and one of inputs: vectors row by row. Both are empty where they are not known.
type kept struct{ left, right []float32 }

func (k *kept) keep(left, right *mat.Dense) { k.left, k.right = rowsOf(left), rowsOf(right) }

// rowsOf returns the columns of m, one after the other.
func rowsOf(m *mat.Dense) []float32 {
	n, k := m.Dims()
	x := make([]float32, 0, n*k)
	for j := range k {
		for i := range n {
			x = append(x, float32(m.At(i, j)))
		}
	}
	return x
}

// overlap returns the mean squared cosine between the first r singular vectors of
// ΔW, left or right, and them.
func (k *kept) overlap(l *layer, right bool) (float64, error) {
	s, err := l.netSpaces()
	if err != nil {
		return 0, err
	}
	dim, own, other := l.m.Out, s.left, k.left
	if right {
		dim, own, other = l.m.In, s.right, k.right
	}
	if len(other) == 0 {
		return 0, noSubspace
	}
	q := mat.NewDense(dim, len(other)/dim, nil)
	for i, v := range other {
		q.Set(i%dim, i/dim, float64(v))
	}
	return geometry.Overlap(own, q), nil
}
