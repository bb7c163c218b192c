package initial

import (
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
)

// A triplet holds singular triplets of an out×in matrix, the largest first.
type triplet struct{ geometry.SVD }

// exact is the length of a shorter side up to which a matrix is decomposed exactly,
// in float64, unless rounds of iteration are asked for; and few the part of it up to
// which so many triplets are few, and found by iteration beyond.
const (
	exact = 192
	few   = 8
)

// triplets returns the k largest singular triplets of w, out×in: those of an exact
// decomposition; of a large matrix by subspace iteration, until each singular value
// is known to 1e-4; or from so many rounds of it. Each sign is the one that makes
// the largest entry of u positive, the first among equals. Without rounds nothing
// depends on rng.
func triplets(w []float32, out, in, k, iterations int, rng *rand.Rand) (triplet, error) {
	if p := min(out, in); p > exact && few*k <= p {
		if iterations == 0 {
			rng = rand.New(rand.NewPCG(uint64(out), uint64(in)))
		}
		d, err := geometry.Triplets(w, out, in, k, iterations, rng)
		if err == nil {
			d.FixSigns()
		}
		return triplet{d}, err
	}
	a, err := geometry.Dense(w, out, in)
	if err != nil {
		return triplet{}, err
	}
	var t triplet
	if iterations > 0 {
		t.SVD, err = geometry.Randomized(a, k, iterations, rng)
	} else {
		t.SVD, err = geometry.Decompose(a)
	}
	if err != nil {
		return triplet{}, err
	}
	t.FixSigns()
	return t, nil
}

// fill writes the triplets from the index first into A, scaled by a, and into
// B, scaled by b.
func (t triplet) fill(m *adapter.Map, first int, a, b scale) {
	var indices []int
	for k := range m.Rank {
		indices = append(indices, first+k)
	}
	t.pick(m, indices, a, indices, b)
}

// pick writes the triplets with the indices ofA into A, scaled by a, and those
// with the indices ofB into B, scaled by b.
func (t triplet) pick(m *adapter.Map, ofA []int, a scale, ofB []int, b scale) {
	av, bv := m.Factor("A").Floats(), m.Factor("B").Floats()
	for k := range m.Rank {
		i, j := ofA[k], ofB[k]
		for c := range m.In {
			av[k*m.In+c] = float32(a(i) * t.V.At(c, i))
		}
		for c := range m.Out {
			bv[c*m.Rank+k] = float32(b(j) * t.U.At(c, j))
		}
	}
}

// balance writes r triplets from the index first on, each factor with the root
// of s/by. A triplet whose s is zero would leave both zero, and untrainable:
// there A has the direction at the length of a row of [Kaiming]'s, 1/√3, and B
// is zero, as in plain LoRA.
func (t triplet) balance(m *adapter.Map, first int, by float64) {
	root := func(otherwise float64) scale {
		return func(k int) float64 {
			if t.S[k] <= geometry.Rounding*t.S[0] {
				return otherwise
			}
			return math.Sqrt(t.S[k] / by)
		}
	}
	t.fill(m, first, root(1/math.Sqrt(3)), root(0))
}

// A scale gives the factor of a triplet.
type scale func(k int) float64
