package delta

import (
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// HiRA is W' = W0∘(1 + B·A), the element-wise product, with A r×in and B
// out×r, both trained (OpenReview TwJrTz9cRS, eq. 5). The rank of W' − W0 may
// reach r·rank(W0). As in the paper and in PEFT, alpha is not used.
type HiRA struct{}

func (HiRA) Needs() []adapter.Capability { return nil }

func (HiRA) Provides() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.TrainedPair}
}

func (HiRA) Scaling(float64, int) float64 { return 1 }

func (HiRA) Factors(m *adapter.Map) ([]adapter.Spec, error) { return pair(m) }

func (HiRA) Start([]*adapter.Map, *rand.Rand) error { return nil }

func (HiRA) Form(c *nn.Context, m *adapter.Map) adapter.Form {
	w0 := ag.NewVariable(m.Out, m.In, m.W0())
	ba := c.Run(ag.NewProduct(m.Factor("B"), m.Factor("A"), m.Scaling))
	return adapter.Form{W: c.Run(ag.NewAdd(w0, c.Run(ag.NewMul(w0, ba))))}
}

func (HiRA) PEFT() adapter.Layout {
	return adapter.Layout{
		Type: "HIRA", Rank: "r", Ranks: "rank_pattern",
		Config:  map[string]any{"hira_dropout": 0.0, "init_weights": true, "fan_in_fan_out": false},
		Tensors: []adapter.Tensor{{Factor: "A", Name: "hira_A"}, {Factor: "B", Name: "hira_B"}},
	}
}

func (HiRA) FromPEFT(config map[string]any) (adapter.Delta, bool) {
	return HiRA{}, config["peft_type"] == "HIRA"
}
