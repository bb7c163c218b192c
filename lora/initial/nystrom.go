package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"gonum.org/v1/gonum/mat"
)

// Nystrom starts from corners of W0: NLoRA (arXiv 2502.14482, section 3.2),
//
//	B = W0[:, :r]    R = W0[:r, :r]    A = W0[:r, :]
//
// as the authors' code and LoRAFactory have it, and the base stays W0, so that
// the function is not the base's. With Inverse R is (W0[:r, :r])⁺/s, and s·B·R·A
// the Nyström approximation of W0, exact for a W0 of rank r; with Offset the
// product is taken out of the base.
type Nystrom struct {
	Inverse bool
	Offset  bool
}

func (n Nystrom) Needs() []adapter.Capability {
	needs := []adapter.Capability{adapter.Pair, adapter.FullCore}
	if n.Offset {
		needs = append(needs, adapter.Additive, adapter.Static)
	}
	return needs
}

func (n Nystrom) Provides() []adapter.Capability {
	return append(movedUnless(n.Offset), adapter.Filled)
}

// Fits refuses a rank that the weight cannot have.
func (Nystrom) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (n Nystrom) Init(maps []*adapter.Map, _ adapter.Inputs) error {
	for _, m := range maps {
		if err := n.Fits(m); err != nil {
			return err
		}
		w := m.W0()
		if _, err := geometry.Dense(w, m.Out, m.In); err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		a, b, r := m.Factor("A").Floats(), m.Factor("B").Floats(), m.Factor("R").Floats()
		copy(a, w[:m.Rank*m.In])
		for i := range m.Out {
			copy(b[i*m.Rank:(i+1)*m.Rank], w[i*m.In:])
		}
		copy(r, b[:m.Rank*m.Rank])
		if n.Inverse {
			if err := invert(r, m.Rank, 1/float64(m.Scaling)); err != nil {
				return fmt.Errorf("initial: %s: the corner of the weight: %w", m.Name, err)
			}
		}
		if n.Offset {
			core, left := ag.NewVariable(m.Rank, m.Rank, r), ag.NewVariable(m.Rank, m.In, a)
			ra := ag.NewTape().Run(ag.NewProduct(core, left, 1))
			m.OffsetBy(ra, ag.NewVariable(m.Out, m.Rank, append([]float32(nil), b...)))
		}
	}
	return nil
}

// invert replaces x, n×n, by c·x⁺. Singular values below 1e-6 of the largest, a
// few roundings of float32, count as zero.
func invert(x []float32, n int, c float64) error {
	d, err := geometry.Dense(x, n, n)
	if err != nil {
		return err
	}
	t, err := geometry.Decompose(d)
	if err != nil {
		return err
	}
	const cut = 1e-6
	for k, s := range t.S {
		scale := 0.0
		if s > cut*t.S[0] {
			scale = c / s
		}
		for i := range n {
			t.V.Set(i, k, scale*t.V.At(i, k))
		}
	}
	var inverse mat.Dense
	inverse.Mul(t.V, t.U.T())
	for i := range n {
		for j := range n {
			x[i*n+j] = float32(inverse.At(i, j))
		}
	}
	return nil
}
