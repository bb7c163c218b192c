package initial_test

import (
	"testing"

	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

// B has the left singular vectors of the smallest singular values, and a step of
// gradient descent on A moves the weight along P_B·G.
func TestMinor(t *testing.T) {
	for _, shape := range shapes {
		m, _ := adapted(t, shape, initial.Minor{})
		a, b := factors(m)
		u, s, v := decomposed(dense(m.Out, m.In, m.W0()))
		p := len(s)
		equal(t, "Bᵀ·B", product(b.T(), b), mat.NewDiagDense(rank, []float64{1, 1, 1}))
		equal(t, "A", a, mat.NewDense(rank, m.In, nil))
		equal(t, "B·Bᵀ·W0", product(b, b.T(), dense(m.Out, m.In, m.W0())), truncated(u, s, v, p-rank, p))
	}
}
