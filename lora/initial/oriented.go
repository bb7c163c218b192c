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
//
// W0·C of a large weight is not formed: what it does to vectors, in float64, finds the
// triplets ([geometry.Operator]), each singular value to 1e-6.
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
		if err := o.start(m, x); err != nil {
			return fmt.Errorf("initial: %s: %w", m.Name, err)
		}
		m.Offset()
	}
	return nil
}

// start writes the factors. As u·W0·C = s·v for triplets of W0·C, v·C⁻¹ is u·W0/s: C
// is not divided by, and the product is U_r·U_rᵀ·W0 whatever C's condition.
func (o Oriented) start(m *adapter.Map, x *adapter.Moments) error {
	second := x.Second
	if o.Scaled {
		second = x.Scaled
	}
	c, exp, err := o.metric(m.In, second)
	if err != nil {
		return err
	}
	w, err := geometry.Dense(m.W0(), m.Out, m.In)
	if err != nil {
		return fmt.Errorf("the weight: %w", err)
	}
	d, err := o.triplets(w, c, m.Rank)
	if err != nil {
		return err
	}
	largest, err := triplets(m.W0(), m.Out, m.In, 1, 0, nil)
	if err != nil {
		return err
	}
	uw := times(d.U.T(), w)
	for k, s := range d.S {
		s = math.Ldexp(s, exp)
		if s > 0 && mat.Norm(uw.RowView(k), 2) > largest.zero {
			for i := range m.In {
				d.V.Set(i, k, uw.At(k, i)/s)
			}
		} else {
			s = 0 // there is nothing of W0: A has v
		}
		d.S[k] = s
	}
	triplet{SVD: d}.balance(m, 0, float64(m.Scaling))
	return nil
}

// metric returns C, damped and times 2^−exp: its diagonal is about 1, as LAPACK is to
// rescale what is very small or very large, in which gonum is not to be relied upon.
func (o Oriented) metric(n int, second []float64) (c *mat.Dense, exp int, err error) {
	c = mat.NewDense(n, n, append([]float64(nil), second...))
	size := mat.Trace(c) / float64(n)
	switch {
	case math.IsInf(size, 0) || math.IsNaN(size):
		return nil, 0, fmt.Errorf("its activations have a second moment of %v", size)
	case !(size > 0):
		return nil, 0, fmt.Errorf("its activations are all zero")
	}
	_, exp = math.Frexp(size)
	c.Scale(math.Ldexp(1, -exp), c) // a power of two is exact
	for i := range n {
		c.Set(i, i, c.At(i, i)+o.Damping*math.Ldexp(size, -exp))
	}
	return c, exp, nil
}

// triplets returns the k triplets of w·c that are asked for: of an exact decomposition,
// or of large matrices by products with the two in turn.
func (o Oriented) triplets(w, c *mat.Dense, k int) (geometry.SVD, error) {
	out, in := w.Dims()
	if !isLarge(out, in, k) {
		var wc mat.Dense
		wc.Mul(w, c)
		d, err := geometry.Decompose(&wc)
		if err != nil {
			return d, err
		}
		d.FixSigns()
		if o.Preserve {
			return d.Tail(k), nil
		}
		return d.Head(k), nil
	}
	wc := geometry.Operator{
		Out: out, In: in,
		Times:  func(x *mat.Dense) *mat.Dense { return times(w, times(c, x)) },
		Turned: func(x *mat.Dense) *mat.Dense { return times(c, times(w.T(), x)) },
	}
	var d geometry.SVD
	var err error
	if o.Preserve {
		var solve func(x *mat.Dense) *mat.Dense
		if solve, err = geometry.Solver(w, c); err != nil {
			return d, fmt.Errorf("the second moment of its activations is singular: the damping of %v is too small", o.Damping)
		}
		d, err = wc.Trailing(k, solve, 0, ofShape(out, in))
	} else {
		d, err = wc.Leading(k, ofShape(out, in))
	}
	if err != nil {
		return d, fmt.Errorf("the weight times the second moment of its activations with a damping of %v: %w", o.Damping, err)
	}
	return d, nil
}

func times(a, b mat.Matrix) *mat.Dense {
	c := new(mat.Dense)
	c.Mul(a, b)
	return c
}
