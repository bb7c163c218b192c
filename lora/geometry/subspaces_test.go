package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func firstColumns(m *mat.Dense, k int) *mat.Dense {
	rows, _ := m.Dims()
	return m.Slice(0, rows, 0, k).(*mat.Dense)
}

// The leading subspaces of a weight found by products in float32 are those of its
// decomposition: to 1e-7, the square of what is asked of a residual over the gap,
// of even the flat spectrum of a random matrix.
func TestSubspaces(t *testing.T) {
	for _, shape := range [][2]int{{96, 64}, {64, 96}, {200, 160}, {9, 5}} {
		out, in := shape[0], shape[1]
		for _, scale := range []float64{1, 1e-15, 1e15} {
			t.Run(fmt.Sprintf("%d×%d, %g", out, in, scale), func(t *testing.T) {
				w := gaussian(out, in, scale, rand.New(rand.NewPCG(1, 1)))
				u, _, v := svd(wide(w))
				left, right := Subspaces(w.Data, out, in, 3, rand.New(rand.NewPCG(2, 1)))
				if left == nil {
					t.Fatal("not found")
				}
				near(t, "left", Overlap(left, firstColumns(u, 3)), 1, 1, 1e-7)
				near(t, "right", Overlap(right, firstColumns(v, 3)), 1, 1, 1e-7)
			})
		}
	}
	for _, x := range []float32{0, float32(math.NaN()), float32(math.Inf(1))} {
		w := make([]float32, 8*6)
		w[5] = x
		if left, right := Subspaces(w, 8, 6, 2, rand.New(rand.NewPCG(2, 1))); left != nil || right != nil {
			t.Errorf("a matrix with %v has leading subspaces", x)
		}
	}
}
