package initial

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
	"gonum.org/v1/gonum/mat"
)

// triplet holds singular triplets of an out×in matrix, the largest first: the
// columns of u out×k and v in×k.
type triplet struct {
	u, v *mat.Dense
	s    []float64
}

// triplets returns the k largest singular triplets of w, out×in: exactly, or
// from so many rounds of subspace iteration. Each sign is the one that makes
// the largest entry of u positive, the first among equals.
func triplets(w []float32, out, in, k, iterations int, rng *rand.Rand) (triplet, error) {
	a, err := dense(w, out, in)
	if err != nil {
		return triplet{}, err
	}
	var t triplet
	if iterations > 0 {
		t, err = randomized(a, k, iterations, rng)
	} else {
		t, err = decompose(a)
	}
	if err != nil {
		return triplet{}, err
	}
	t.fixSigns(k)
	return t, nil
}

// fixSigns gives the first k triplets the signs that make the largest entry of
// u positive, the first among equals.
func (t triplet) fixSigns(k int) {
	out, _ := t.u.Dims()
	for j := range k {
		largest := 0.0
		for i := range out {
			if x := t.u.At(i, j); math.Abs(x) > math.Abs(largest) {
				largest = x
			}
		}
		if largest < 0 {
			negate(t.u, j)
			negate(t.v, j)
		}
	}
}

func negate(m *mat.Dense, j int) {
	rows, _ := m.Dims()
	for i := range rows {
		m.Set(i, j, -m.At(i, j))
	}
}

func decompose(a *mat.Dense) (triplet, error) {
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		return triplet{}, errors.New("its singular value decomposition did not converge")
	}
	t := triplet{u: new(mat.Dense), v: new(mat.Dense), s: svd.Values(nil)}
	svd.UTo(t.u)
	svd.VTo(t.v)
	return t, nil
}

// randomized projects a on the range of (a·aᵀ)ⁿ·a·Ω for a Gaussian Ω with a
// few columns more than k, and decomposes that.
func randomized(a *mat.Dense, k, iterations int, rng *rand.Rand) (triplet, error) {
	const more = 8 // oversampling, as arXiv 0909.4061 advises
	out, in := a.Dims()
	n := min(k+more, min(out, in))
	omega := mat.NewDense(in, n, nil)
	for i := range in {
		for j := range n {
			omega.Set(i, j, rng.NormFloat64())
		}
	}
	var y, z mat.Dense
	y.Mul(a, omega)
	q, _ := orthonormal(&y)
	for range iterations {
		z.Mul(a.T(), q)
		qz, _ := orthonormal(&z)
		y.Mul(a, qz)
		q, _ = orthonormal(&y)
	}
	var small mat.Dense
	small.Mul(q.T(), a)
	t, err := decompose(&small)
	if err != nil {
		return t, err
	}
	u := new(mat.Dense)
	u.Mul(q, t.u)
	t.u = u
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
			av[k*m.In+c] = float32(a(i) * t.v.At(c, i))
		}
		for c := range m.Out {
			bv[c*m.Rank+k] = float32(b(j) * t.u.At(c, j))
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
			if t.s[k] <= rounding*t.s[0] {
				return otherwise
			}
			return math.Sqrt(t.s[k] / by)
		}
	}
	t.fill(m, first, root(1/math.Sqrt(3)), root(0))
}

// rounding is what a singular value of a matrix in float32 is known to, of the
// largest: below it, it is zero.
const rounding = 1e-7

// A scale gives the factor of a triplet.
type scale func(k int) float64

// dense copies a matrix to float64. A value that is not finite has no
// decomposition.
func dense(w []float32, rows, cols int) (*mat.Dense, error) {
	d := make([]float64, len(w))
	for i, x := range w {
		d[i] = float64(x)
		if math.IsNaN(d[i]) || math.IsInf(d[i], 0) {
			return nil, fmt.Errorf("entry (%d, %d) is %v", i/cols, i%cols, x)
		}
	}
	return mat.NewDense(rows, cols, d), nil
}
