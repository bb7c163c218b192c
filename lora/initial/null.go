package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"gonum.org/v1/gonum/mat"
)

// Null starts from what W0 does to the directions in which its inputs hardly
// vary, and takes that out of the base: LoRA-Null (arXiv 2503.02659, section
// 3.2). With N in×r the eigenvectors of least eigenvalue of the second moment
// E xᵀ·x over the calibration batches, not centred,
//
//	W0·N·Nᵀ = U·S·Vᵀ    B = U·(S/s)^½    A = (S/s)^½·Vᵀ    Base = W0 − s·B·A
//
// so that what the calibration's data know stays in the base, and the rows of A
// see little of them. The second version of the paper freezes A (update lora-fa). Where fewer
// rows were seen than there are inputs, N is one of many.
type Null struct{}

func (Null) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static, adapter.Activations}
}

func (Null) Provides() []adapter.Capability { return []adapter.Capability{adapter.Filled} }

// Fits refuses a rank that the weight cannot have.
func (Null) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (n Null) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := n.Fits(m); err != nil {
			return err
		}
		x, err := momentsOf(m, in)
		if err != nil {
			return err
		}
		t, err := n.triplets(m, x)
		if err != nil {
			return fmt.Errorf("initial: %s: %w", m.Name, err)
		}
		t.balance(m, 0, float64(m.Scaling))
		m.Offset()
	}
	return nil
}

// triplets returns those of W0·N·Nᵀ, by W0·N.
func (Null) triplets(m *adapter.Map, x *adapter.Moments) (triplet, error) {
	null, err := leastOf(m.In, m.Rank, x.Second)
	if err != nil {
		return triplet{}, err
	}
	w, err := geometry.Dense(m.W0(), m.Out, m.In)
	if err != nil {
		return triplet{}, fmt.Errorf("the weight: %w", err)
	}
	d, err := geometry.Decompose(times(w, null))
	if err != nil {
		return triplet{}, err
	}
	d.V = times(null, d.V)
	d.FixSigns()
	return ofLargest(d), nil
}

// leastOf returns the k eigenvectors of least eigenvalue of a second moment, n×n: of
// all or, where it is large, by inverse iteration.
func leastOf(n, k int, second []float64) (*mat.Dense, error) {
	if isLarge(n, n, k) {
		c := mat.NewDense(n, n, second)
		solve, zero, ok := geometry.Inverse(c, 1e-11)
		if !ok {
			return nil, fmt.Errorf("the second moment of its activations is zero or has no eigenvalues")
		}
		by := func(x *mat.Dense) *mat.Dense { return times(c, x) }
		twice := func(x *mat.Dense) *mat.Dense { return solve(solve(x)) } // the triplets are those of C²'s eigenvectors
		d, err := geometry.Operator{Out: n, In: n, Times: by, Turned: by}.Trailing(k, twice, zero, ofShape(n, n))
		if err != nil {
			return nil, fmt.Errorf("the second moment of its activations: %w", err)
		}
		return d.U, nil
	}
	var e gram.Eigen
	if !e.Of(n, second) { // from the least on
		return nil, fmt.Errorf("the second moment of its activations has no eigenvalues")
	}
	return mat.NewDense(n, n, e.U).Slice(0, n, 0, k).(*mat.Dense), nil
}
