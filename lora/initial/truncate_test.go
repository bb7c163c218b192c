package initial_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

// The base lacks its r smallest components, whatever the factors are, and what was
// taken out is known.
func TestTruncate(t *testing.T) {
	for _, d := range []adapter.Delta{delta.KaSA{}, delta.Core{}, delta.LoRA{}} {
		for _, shape := range shapes {
			m, _ := on(t, d, shape, initial.Truncate{}, 1)
			u, s, v := decomposed(dense(m.Out, m.In, m.W0()))
			p := len(s)
			equal(t, "the base", dense(m.Out, m.In, m.Base.Floats()), truncated(u, s, v, 0, p-rank))
			if mat.Norm(dense(m.Out, rank, m.Factor("B").Floats()), 2) != 0 {
				t.Error("B is not zero")
			}
			bound := 1 / math.Sqrt(float64(m.In))
			for _, x := range m.Factor("A").Floats() {
				if math.Abs(float64(x)) > bound || x == 0 {
					t.Fatalf("A has %v: must be within ±%v", x, bound)
				}
			}
			if err := d.Start([]*adapter.Map{m}, streams(1)("delta")); err != nil {
				t.Fatal(err)
			}
			equal(t, "W' − W0", changed(t, m), scaled(-1, truncated(u, s, v, p-rank, p)))
		}
	}
	sum, squares := 0.0, 0.0
	const draws = 1000
	for seed := range uint64(draws) {
		m, _ := on(t, delta.KaSA{}, shapes[0], initial.Truncate{}, seed)
		for _, e := range m.Factor("E").Floats() {
			sum, squares = sum+float64(e), squares+float64(e)*float64(e)
		}
	}
	const n = draws * rank // the variance of a square is 2; four standard errors
	if math.Abs(sum/n) > 4/math.Sqrt(n) || math.Abs(squares/n-1) > 4*math.Sqrt(2.0/n) {
		t.Errorf("the diagonal has the mean %v and the mean square %v, want 0 and 1", sum/n, squares/n)
	}
}
