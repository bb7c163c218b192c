package analyze

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
)

// Of intruder dimensions (arXiv 2410.21228).
const (
	intruderVectors = 10
	intruderCosine  = 0.5
)

// The sides of a weight up to which all of its singular vectors are found, and
// up to which its smallest are.
const (
	allOf      = 256
	smallestOf = 1024
)

// A base is the weight of one map and its singular vectors, as far as they are
// wanted.
type base struct {
	w        *mat.Dense
	norm     float64
	leading  geometry.SVD
	trailing geometry.SVD // none where the weight is too large
	rng      *rand.Rand
}

// baseOf finds what adapters of up to this rank are compared with.
func baseOf(m *Map, rank int) (*base, error) {
	w0 := m.W0()
	if len(w0) != m.Out*m.In {
		return nil, fmt.Errorf("the weight has %d values, the map is %d×%d: the adapter has more tokens", len(w0), m.Out, m.In)
	}
	w, err := geometry.Dense(w0, m.Out, m.In)
	if err != nil {
		return nil, fmt.Errorf("the weight: %w", err)
	}
	h := fnv.New64a()
	h.Write([]byte(m.Name))
	b := &base{w: w, norm: mat.Norm(w, 2), rng: rand.New(rand.NewPCG(h.Sum64(), 0))}
	p := min(m.Out, m.In)
	known := max(4*intruderVectors, 4*rank)
	if p <= allOf {
		known = p
	}
	if b.leading, err = geometry.Leading(w, known, b.rng); err != nil {
		return nil, fmt.Errorf("the weight: %w", err)
	}
	if p <= smallestOf && b.norm > 0 {
		if b.trailing, err = geometry.Trailing(w, rank, b.rng); err != nil {
			return nil, fmt.Errorf("the weight: %w", err)
		}
	}
	return b, nil
}

// against adds what ΔW is to its base.
func (s *sheet) against(m *Map, b *base) {
	if m.missing != nil {
		return // alone has told
	}
	d, err := m.svd()
	if err != nil {
		s.note(fmt.Errorf("ΔW: %w", err))
		return
	}
	if b.norm > 0 {
		s.add("relative_norm", geometry.Summarize(d.S).Frobenius/b.norm)
	}
	s.add("amplification", geometry.Amplification(d, b.w))

	left, right := d.Leading(m.Rank)
	overlap := func(name string, baseLeft, baseRight *mat.Dense) {
		s.add(name+"_left", geometry.Overlap(left, baseLeft))
		s.add(name+"_right", geometry.Overlap(right, baseRight))
	}
	topLeft, topRight := b.leading.First(m.Rank)
	overlap("overlap_top", topLeft, topRight)
	topLeft, topRight = b.leading.First(4 * m.Rank)
	overlap("overlap_top4", topLeft, topRight)
	if len(b.trailing.S) > 0 { // the last m.Rank of as many as the largest adapter asks for
		overlap("overlap_bottom", last(b.trailing.U, m.Rank), last(b.trailing.V, m.Rank))
	} else {
		s.note(fmt.Errorf("its weight has more than %d rows and columns: no overlap with its smallest directions", smallestOf))
	}
	merged, err := m.Merged()
	if err != nil {
		s.note(err)
		return
	}
	magnitude, direction := geometry.Movement(m.W0(), merged, m.In)
	s.add("magnitude_change", magnitude)
	s.add("direction_change", direction)
	after, err := m.after(b, merged)
	if err != nil {
		s.note(fmt.Errorf("W': %w", err))
		return
	}
	x := geometry.FindIntruders(b.w, b.leading, after, intruderCosine)
	yes, no, undecided := x.Counts()
	s.add("intruders", float64(yes))
	s.add("intruders_not", float64(no))
	s.add("intruders_undecided", float64(undecided))
	s.add("intruder_energy", x.Energy())
	if len(b.leading.S) == min(m.Out, m.In) { // the cosines themselves, not bounds
		for j, c := range x.Low {
			s.add("intruder_cosine_"+strconv.Itoa(j+1), c)
		}
	}
}

// after returns the leading triplets of W', which is W0 + ΔW but for a gain.
func (m *Map) after(b *base, merged []float32) (geometry.SVD, error) {
	if m.whole == nil && !m.gain {
		return geometry.LeadingSum(b.w, m.update, intruderVectors, b.rng)
	}
	w, err := geometry.Dense(merged, m.Out, m.In)
	if err != nil {
		return geometry.SVD{}, err
	}
	return geometry.Leading(w, intruderVectors, b.rng)
}

// last returns the last k columns, or all.
func last(m *mat.Dense, k int) *mat.Dense {
	rows, n := m.Dims()
	return m.Slice(0, rows, max(0, n-k), n).(*mat.Dense)
}
