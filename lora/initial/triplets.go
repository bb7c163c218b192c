package initial

import (
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"gonum.org/v1/gonum/mat"
)

// A triplet holds singular triplets of an out×in matrix, the largest first, and the
// size up to which a singular value is zero.
type triplet struct {
	geometry.SVD
	zero float64
}

// ofLargest returns triplets of which the first is the largest that the matrix has.
func ofLargest(d geometry.SVD) triplet { return triplet{d, geometry.Rounding * d.S[0]} }

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
	var d geometry.SVD
	var err error
	switch {
	case isLarge(out, in, k):
		if iterations == 0 {
			rng = ofShape(out, in)
		}
		d, err = geometry.Triplets(w, out, in, k, iterations, rng)
	case iterations == 0:
		d, err = decompose(w, out, in)
	default:
		var a *mat.Dense
		if a, err = geometry.Dense(w, out, in); err == nil {
			d, err = geometry.Randomized(a, k, iterations, rng)
		}
	}
	if err != nil {
		return triplet{}, err
	}
	d.FixSigns()
	return ofLargest(d), nil
}

// smallest returns triplets of w, out×in, of which the last k are the smallest that it
// has: all, by an exact decomposition, or of a large matrix those k, by
// [geometry.Trailing]. The signs are those of triplets.
func smallest(w []float32, out, in, k int) (triplet, error) {
	if !isLarge(out, in, k) {
		d, err := decompose(w, out, in)
		if err != nil {
			return triplet{}, err
		}
		d.FixSigns()
		return ofLargest(d), nil
	}
	largest, err := triplets(w, out, in, 1, 0, nil)
	if err != nil {
		return triplet{}, err
	}
	a, err := geometry.Dense(w, out, in)
	if err != nil {
		return triplet{}, err
	}
	d, err := geometry.Trailing(a, k, ofShape(out, in))
	return triplet{d, largest.zero}, err
}

func isLarge(out, in, k int) bool { p := min(out, in); return p > exact && few*k <= p }

// ofShape returns a stream that depends on nothing but the shape, for what does not
// depend on the stream but in rounding.
func ofShape(out, in int) *rand.Rand { return rand.New(rand.NewPCG(uint64(out), uint64(in))) }

func decompose(w []float32, out, in int) (geometry.SVD, error) {
	a, err := geometry.Dense(w, out, in)
	if err != nil {
		return geometry.SVD{}, err
	}
	return geometry.Decompose(a)
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
			if t.S[k] <= t.zero {
				return otherwise
			}
			return math.Sqrt(t.S[k] / by)
		}
	}
	t.fill(m, first, root(1/math.Sqrt(3)), root(0))
}

// A scale gives the factor of a triplet.
type scale func(k int) float64
