package initial_test

import (
	"testing"

	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

// s·B·A is the change of the weight, of which calibration tells what was lost, in its
// best approximation of rank r; in LoRAFactory's form it is s times that.
func TestFineTuned(t *testing.T) {
	for _, shape := range shapes {
		for _, factory := range []bool{false, true} {
			m, fall := adapted(t, shape, initial.FineTuned{LR: 1, Factory: factory})
			a, b := factors(m)
			u, s, v := decomposed(dense(m.Out, m.In, fall))
			by := float64(m.Scaling)
			if factory {
				by = 1
			}
			equal(t, "B·A", scaled(by, product(b, a)), scaled(-1, truncated(u, s, v, 0, rank)))
			shared := mat.NewDiagDense(rank, []float64{s[0] / by, s[1] / by, s[2] / by})
			equal(t, "A·Aᵀ", product(a, a.T()), shared)
			equal(t, "Bᵀ·B", product(b.T(), b), shared)
		}
	}
}
