package initial_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/lora/initial"
	"gonum.org/v1/gonum/mat"
)

// The first step of gradient descent, dA = s·Bᵀ·G and dB = s·G·Aᵀ, moves W
// along the best approximation of G of rank 2r (arXiv 2407.05000, theorem
// 3.1): s·(B·dA + dB·A) = s²·c²·G_2r.
//
// So it is for every direction that has the first 2r triplets once, and every
// scale c that the two factors share.
func TestGradient(t *testing.T) {
	for _, direction := range []initial.Direction{initial.ArB2r, initial.A2rBr, initial.Alternating, initial.Random} {
		for _, length := range []initial.Scale{initial.Stable, initial.OverScaling, initial.Weights, initial.Unit} {
			for _, shape := range shapes {
				m, g := adapted(t, shape, initial.Gradient{Gamma: 16, Direction: direction, Scale: length})
				unchanged(t, m)
				a, b := factors(m)
				s := float64(m.Scaling)
				var c2 float64
				switch length {
				case initial.Stable:
					c2 = math.Sqrt(float64(m.Out)) / 16
				case initial.OverScaling:
					c2 = 1 / s / s
				case initial.Weights:
					w := values(dense(m.Out, m.In, m.W0()))
					c2 = (math.Sqrt(w[0]/s) + math.Sqrt(w[1]/s) + math.Sqrt(w[2]/s)) / 3
					c2 *= c2
				case initial.Unit:
					c2 = 1
				}
				one := scaled(c2, mat.NewDiagDense(rank, []float64{1, 1, 1}))
				equal(t, "A·Aᵀ", product(a, a.T()), one)
				equal(t, "Bᵀ·B", product(b.T(), b), one)

				full := dense(m.Out, m.In, g)
				equal(t, "Bᵀ·G·Aᵀ", product(b.T(), full, a.T()), mat.NewDense(rank, rank, nil))
				step := product(b, b.T(), full)
				step.Add(step, product(full, a.T(), a))
				u, sv, v := decomposed(full)
				equal(t, "the first step", scaled(s*s, step), scaled(s*s*c2, truncated(u, sv, v, 0, 2*rank)))
				first := map[initial.Direction][2]int{initial.ArB2r: {rank, 0}, initial.A2rBr: {0, rank}, initial.Alternating: {0, 1}} // of B, of A
				if want, ok := first[direction]; ok {
					same(t, "the first column of B", b.ColView(0), u.ColView(want[0]))
					same(t, "the first row of A", a.RowView(0), v.ColView(want[1]))
				}
			}
		}
	}
}

// The triplets of a random direction depend on the seed, and with PEFT are the
// same for both factors.
func TestRandomDirection(t *testing.T) {
	used := map[int]bool{}
	for seed := range uint64(20) {
		m, g := seeded(t, shapes[0], initial.Gradient{Gamma: 16, Direction: initial.Random, Scale: initial.Unit, PEFT: true}, seed)
		a, b := factors(m)
		u, s, v := decomposed(dense(m.Out, m.In, g))
		for k := range rank {
			found := -1
			for i := range 2 * rank {
				if math.Abs(math.Abs(mat.Dot(a.RowView(k), v.ColView(i)))-1) < 1e-5 && math.Abs(math.Abs(mat.Dot(b.ColView(k), u.ColView(i)))-s[i]) < 1e-4 {
					found = i
				}
			}
			if found < 0 {
				t.Fatalf("seed %d: component %d is of no triplet", seed, k)
			}
			used[found] = true
		}
	}
	if len(used) != 2*rank {
		t.Errorf("20 seeds use the triplets %v", used)
	}
}
