package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"gonum.org/v1/gonum/mat"
)

// Oriented starts from the singular triplets of W0 in the metric of what enters
// the map, and takes their product out of the base: CorDA (arXiv 2406.05223,
// eq. 2–4). With the second moment C = E xᵀ·x of the inputs over the calibration
// batches, not centred, and W0·C = U·S·Vᵀ,
//
//	B = U_r·(S_r/s)^½    A = (S_r/s)^½·V_rᵀ·C⁻¹    Base = W0 − s·B·A
//
// It takes the r largest, the directions that the task of the calibration uses
// most (the paper's instruction-previewed mode) or, with Preserve, the r
// smallest, so that what it uses stays in the base (the knowledge-preserved
// mode). C has Damping times its mean diagonal added to its own.
//
// The product does not depend on the scale of C, but its split into factors
// does. Here C is the mean over rows; with Scaled it is the mean over batches
// of Σ xᵀ·x/c², c the largest entry of the batch, as the authors' code and PEFT
// have it. Theirs doubles the damping until float32 can invert C, which
// float64 always can at 0.01.
type Oriented struct {
	Damping  float64
	Preserve bool
	Scaled   bool
}

func (Oriented) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static, adapter.Activations}
}

func (Oriented) Provides() []adapter.Capability { return []adapter.Capability{adapter.Filled} }

// FromPEFT returns the start of a corda_config.
func (Oriented) FromPEFT(start any, config map[string]any) (adapter.Initializer, bool) {
	c, _ := config["corda_config"].(map[string]any)
	method := c["corda_method"]
	return Oriented{Damping: 0.01, Preserve: method == "kpm", Scaled: true},
		start == "corda" && (method == nil || method == "ipm" || method == "kpm")
}

// Check refuses a damping that leaves C singular, or that drowns it.
func (o Oriented) Check() error {
	if !(o.Damping >= 1e-9 && o.Damping <= 1e6) {
		return fmt.Errorf("initial: damping is %v: must be in 1e-9..1e6", o.Damping)
	}
	return nil
}

// Fits refuses a rank that the weight cannot have.
func (Oriented) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (o Oriented) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := o.Fits(m); err != nil {
			return err
		}
		x, err := momentsOf(m, in)
		if err != nil {
			return err
		}
		t, err := o.triplets(m, x)
		if err != nil {
			return fmt.Errorf("initial: %s: %w", m.Name, err)
		}
		first := 0
		if o.Preserve {
			first = min(m.In, m.Out) - m.Rank
		}
		t.balance(m, first, float64(m.Scaling))
		m.Offset()
	}
	return nil
}

// triplets returns U, S and C⁻¹·V, with the signs of [triplets].
func (o Oriented) triplets(m *adapter.Map, x *adapter.Moments) (triplet, error) {
	second := x.Second
	if o.Scaled {
		second = x.Scaled
	}
	c := mat.NewSymDense(m.In, append([]float64(nil), second...))
	size := mat.Trace(c) / float64(m.In)
	if !(size > 0) {
		return triplet{}, fmt.Errorf("its activations are all zero")
	}
	// The decomposition sees a C whose diagonal is about 1: very small and very
	// large matrices are LAPACK's to rescale, in which gonum is not to be relied
	// upon. A power of two is exact.
	_, exp := math.Frexp(size)
	c.ScaleSym(math.Ldexp(1, -exp), c)
	size = math.Ldexp(size, -exp)
	for i := range m.In {
		c.SetSym(i, i, c.At(i, i)+o.Damping*size)
	}
	var chol mat.Cholesky
	if !chol.Factorize(c) {
		return triplet{}, fmt.Errorf("the second moment of its activations is singular: the damping of %v is too small", o.Damping)
	}
	w, err := geometry.Dense(m.W0(), m.Out, m.In)
	if err != nil {
		return triplet{}, fmt.Errorf("the weight: %w", err)
	}
	var wc mat.Dense
	wc.Mul(w, c)
	d, err := geometry.Decompose(&wc)
	if err != nil {
		return triplet{}, err
	}
	d.FixSigns()
	t := triplet{d}
	v := new(mat.Dense)
	if err := answered(chol.SolveTo(v, t.V)); err != nil {
		return triplet{}, err
	}
	v.Scale(math.Ldexp(1, -exp), v)
	t.V = v
	for k := range t.S {
		t.S[k] = math.Ldexp(t.S[k], exp)
	}
	return t, nil
}
