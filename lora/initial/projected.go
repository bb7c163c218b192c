package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"gonum.org/v1/gonum/mat"
)

// Projected draws A within ±1/√in and starts with the step of gradient descent
// that A can make: GoRA (arXiv 2502.12171, eq. 8–10). With the mean gradient G of
// the full weight over the calibration batches and P_A = Aᵀ·(A·Aᵀ)⁻¹·A,
//
//	B = −γ·√(in/r)/s·G·Aᵀ·(A·Aᵀ)⁻¹    s·B·A = −γ·√(in/r)·G·P_A
//
// the best approximation of a step in the rows' space of A, whose size is about
// γ·‖G‖, as P_A keeps r/in of it. The base stays W0: the function is one step on.
// Step is γ. The paper means a descent; the authors' code, which is LoRAFactory's,
// has +G: Ascend takes it so.
//
// Where Most is above zero the ranks follow from the importance I = mean|W0∘G|
// of each map (section 3.1): its part of Σ I buys it the same part of the
// parameters that the configured ranks have, at in+out a rank, bounded by Least
// and Most times the configured rank. s is that of the rank which a map gets.
type Projected struct {
	Step        float64 // γ
	Ascend      bool
	Least, Most float64
}

func (Projected) Needs() []adapter.Capability {
	return append(neededToMove(false), adapter.Static, adapter.FullGradient)
}

func (Projected) Provides() []adapter.Capability {
	return []adapter.Capability{adapter.Moved, adapter.Filled}
}

// Check refuses numbers that give no start.
func (p Projected) Check() error {
	switch {
	case !(p.Step > 0 && p.Step <= 1e6):
		return fmt.Errorf("initial: step is %v: must be above 0, at most 1e6", p.Step)
	case p.Most != 0 && !(p.Least >= 0 && p.Most >= p.Least && p.Most >= 1 && p.Most <= 1e6):
		return fmt.Errorf("initial: ranks from %v to %v times the configured one: must be from at least 0 to at least 1", p.Least, p.Most)
	}
	return nil
}

// Allocates reports whether the ranks follow from the gradients.
func (p Projected) Allocates() bool { return p.Most > 0 }

// KeepsScaling: s is that of the rank which a map gets.
func (Projected) KeepsScaling() bool { return false }

func (p Projected) Ranks(maps []*adapter.Map, in adapter.Inputs) ([]int, error) {
	if !p.Allocates() {
		return nil, nil
	}
	importance, sum, budget := make([]float64, len(maps)), 0.0, 0.0
	for i, m := range maps {
		g, err := gradient(m, in)
		if err != nil {
			return nil, err
		}
		for j, w := range m.W0() {
			importance[i] += math.Abs(float64(w) * float64(g[j]))
		}
		importance[i] /= float64(len(g))
		if math.IsNaN(importance[i]) || math.IsInf(importance[i], 0) {
			return nil, fmt.Errorf("initial: %s: the gradient times the weight is %v in the mean", m.Name, importance[i])
		}
		sum += importance[i]
		budget += float64(m.Rank * (m.In + m.Out))
	}
	if sum == 0 {
		return nil, fmt.Errorf("initial: the gradients are zero: no map is more important than another")
	}
	ranks := make([]int, len(maps))
	for i, m := range maps {
		r := int(math.Round(budget * importance[i] / sum / float64(m.In+m.Out)))
		least := max(int(math.Round(p.Least*float64(m.Rank))), 1)
		most := min(int(math.Round(p.Most*float64(m.Rank))), m.In, m.Out)
		ranks[i] = max(min(r, most), min(least, most))
	}
	return ranks, nil
}

// Fits refuses a rank above the number of inputs, where A·Aᵀ has no inverse.
func (Projected) Fits(m *adapter.Map) error { return Principal{}.Fits(m) }

func (p Projected) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := p.Fits(m); err != nil {
			return err
		}
		g, err := gradient(m, in)
		if err != nil {
			return err
		}
		uniform(m, in, "A", 1/math.Sqrt(float64(m.In)))
		if err := p.project(m, g); err != nil {
			return fmt.Errorf("initial: %s: %w", m.Name, err)
		}
	}
	return nil
}

// project fills B.
func (p Projected) project(m *adapter.Map, g []float32) error {
	a := gram.Rows{N: m.Rank, Dim: m.In, Data: m.Factor("A").Floats()}
	square, cross := mat.NewSymDense(m.Rank, nil), mat.NewDense(m.Out, m.Rank, nil)
	gram.Gram(square.RawSymmetric().Data, a)
	gram.Cross(cross.RawMatrix().Data, gram.Rows{N: m.Out, Dim: m.In, Data: g}, a)
	if norm := mat.Norm(cross, 2); norm == 0 || math.IsNaN(norm) || math.IsInf(norm, 0) {
		return fmt.Errorf("the gradient has the norm %v along A: there is no step to start with", norm)
	}
	var chol mat.Cholesky
	if !chol.Factorize(square) {
		return fmt.Errorf("A·Aᵀ is singular")
	}
	var bt mat.Dense
	if err := answered(chol.SolveTo(&bt, cross.T())); err != nil {
		return err
	}
	c := -p.Step * math.Sqrt(float64(m.In)/float64(m.Rank)) / float64(m.Scaling)
	if p.Ascend {
		c = -c
	}
	b := m.Factor("B").Floats()
	for i := range m.Out {
		for k := range m.Rank {
			b[i*m.Rank+k] = float32(c * bt.At(k, i))
		}
	}
	return nil
}
