package delta

import (
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// Full is W' = W, out×in, which starts as W0 and is trained as it stands: full
// fine-tuning of the adapted maps, the yardstick. Rank and alpha are not used.
type Full struct{}

func (Full) Needs() []adapter.Capability { return nil }

func (Full) Provides() []adapter.Capability { return nil }

func (Full) Scaling(float64, int) float64 { return 1 }

func (Full) Factors(m *adapter.Map) ([]adapter.Spec, error) {
	return []adapter.Spec{{Name: "W", Rows: m.Out, Cols: m.In, Trained: true}}, nil
}

func (Full) Start(maps []*adapter.Map, _ *rand.Rand) error {
	for _, m := range maps {
		copy(m.Factor("W").Floats(), m.W0())
	}
	return nil
}

func (Full) Form(_ *nn.Context, m *adapter.Map) adapter.Form {
	return adapter.Form{W: m.Factor("W")}
}
