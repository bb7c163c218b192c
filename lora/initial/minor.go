package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
)

// Minor starts with the r left singular vectors of W0 = U·S·Vᵀ that belong to
// its smallest singular values in B, and A at zero: the start of MiCA (arXiv
// 2604.01694),
//
//	B = U_{p−r+1..p}    A = 0    p = min(in, out)
//
// found as [SVD] finds its smallest. The function is the base's. MiCA then trains A
// alone: with Bᵀ·B = I the first step of gradient descent moves the weight along
// s²·P_B·G, the projection of the full gradient on these directions.
type Minor struct{}

// Needs the product itself, as a delta with a zero of its own would never move,
// nor would a frozen A.
func (Minor) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Product, adapter.TrainedA}
}

func (Minor) Provides() []adapter.Capability { return nil }

// FromPEFT returns the start that PEFT calls mica; B is frozen beside it.
func (i Minor) FromPEFT(start any, _ map[string]any) (adapter.Initializer, bool) {
	return i, start == "mica"
}

// Fits refuses a rank that the weight cannot have.
func (Minor) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (i Minor) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := i.Fits(m); err != nil {
			return err
		}
		t, err := smallest(m.W0(), m.Out, m.In, m.Rank)
		if err != nil {
			return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
		}
		t.fill(m, len(t.S)-m.Rank, func(int) float64 { return 0 }, func(int) float64 { return 1 })
		clear(m.Factor("A").Floats()) // no negative zeros
	}
	return nil
}
