package delta

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// LoRA is W' = W0 + s·B·A with A r×in and B out×r, both trained, and s = α/r
// (arXiv 2106.09685, eq. 3) or, with RankRoot, s = α/√r (rsLoRA, arXiv
// 2312.03732). It has r·(in+out) parameters. With Bias there is a trained
// b 1×out besides (factor "shift"), and s·b is added to the map's bias: PEFT's
// lora_bias.
type LoRA struct {
	RankRoot bool
	Bias     bool
}

func (LoRA) Needs() []adapter.Capability { return nil }

func (LoRA) Provides() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.TrainedPair, adapter.Product, adapter.Additive, adapter.Gated}
}

func (d LoRA) Scaling(alpha float64, rank int) float64 { return scaling(alpha, rank, d.RankRoot) }

func (d LoRA) Factors(m *adapter.Map) ([]adapter.Spec, error) {
	specs, err := pair(m)
	if d.Bias {
		if m.Kind == nn.Table {
			return nil, fmt.Errorf("an embedding takes no bias (lora_bias)")
		}
		specs = append(specs, adapter.Spec{Name: "shift", Rows: 1, Cols: m.Out, Trained: true})
	}
	return specs, err
}

func (LoRA) Start([]*adapter.Map, *rand.Rand) error { return nil }

func (d LoRA) Form(_ *nn.Context, m *adapter.Map) adapter.Form {
	f := adapter.Form{A: m.Factor("A"), B: m.Factor("B")}
	if d.Bias {
		f.Shift = m.Factor("shift")
	}
	return f
}

func (d LoRA) PEFT() adapter.Layout {
	l := adapter.Layout{
		Type: "LORA", Rank: "r", Alpha: "lora_alpha", Ranks: "rank_pattern", Alphas: "alpha_pattern",
		Config: map[string]any{
			"use_rslora": d.RankRoot, "use_dora": false, "lora_bias": d.Bias, "init_lora_weights": true,
			"lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": false,
		},
		Tensors: []adapter.Tensor{
			{Factor: "A", Name: "lora_A.weight", Table: "lora_embedding_A"},
			{Factor: "B", Name: "lora_B.weight", Table: "lora_embedding_B"},
		},
	}
	if d.Bias {
		l.Tensors = append(l.Tensors, adapter.Tensor{Factor: "shift", Name: "lora_B.bias", Vector: true})
	}
	return l
}

func (LoRA) FromPEFT(config map[string]any) (adapter.Delta, bool) {
	root, _ := config["use_rslora"].(bool)
	dora, _ := config["use_dora"].(bool)
	bias, _ := config["lora_bias"].(bool)
	return LoRA{RankRoot: root, Bias: bias}, config["peft_type"] == "LORA" && !dora && config["kasa_config"] == nil
}

// scaling returns α/r, or α/√r.
func scaling(alpha float64, rank int, root bool) float64 {
	if root {
		return alpha / math.Sqrt(float64(rank))
	}
	return alpha / float64(rank)
}

// pair lists trained factors A r×in and B out×r.
func pair(m *adapter.Map) ([]adapter.Spec, error) {
	if m.Rank < 1 {
		return nil, fmt.Errorf("rank is %d: must be at least 1", m.Rank)
	}
	return []adapter.Spec{
		{Name: "A", Rows: m.Rank, Cols: m.In, Trained: true},
		{Name: "B", Rows: m.Out, Cols: m.Rank, Trained: true},
	}, nil
}
