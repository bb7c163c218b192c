package delta

import (
	"fmt"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// SVD is W' = W0 + s·B·diag(E)·A with A r×in, E r×1 and B out×r, all trained,
// and s = α/r for the rank at the start: AdaLoRA's P·Λ·Q (arXiv 2303.10512,
// eq. 3). The objective gains Orthogonality times the mean, over the factors A
// and B of all maps, of ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖ in the Frobenius norm
// (eq. 4; the norms are not squared, as in the authors' code).
type SVD struct {
	Orthogonality float64
}

func (SVD) Needs() []adapter.Capability { return nil }

func (SVD) Provides() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.TrainedPair, adapter.Additive, adapter.Gated, adapter.ZeroCore, adapter.DiagonalCore}
}

// Check refuses a weight that is no penalty.
func (d SVD) Check() error {
	if !(d.Orthogonality >= 0 && d.Orthogonality <= 1e6) {
		return fmt.Errorf("delta: orthogonality is %v: must be in 0..1e6", d.Orthogonality)
	}
	return nil
}

func (SVD) Scaling(alpha float64, rank int) float64 { return scaling(alpha, rank, false) }

func (SVD) Factors(m *adapter.Map) ([]adapter.Spec, error) {
	specs, err := pair(m)
	return append(specs, adapter.Spec{Name: "E", Rows: m.Rank, Cols: 1, Trained: true}), err
}

// Start keeps the E that an initializer has filled. Else it makes exactly one
// factor the one that starts at zero: E is zero where B is not, and one where B
// is zero or its product was taken out of the base.
func (SVD) Start(maps []*adapter.Map, _ *rand.Rand) error {
	for _, m := range maps {
		if nonzero(m.Factor("E").Floats()) {
			continue
		}
		if !m.Edited() && nonzero(m.Factor("B").Floats()) {
			clear(m.Factor("E").Floats())
			continue
		}
		e := m.Factor("E").Floats()
		for k := range e {
			e[k] = 1
		}
	}
	return nil
}

func nonzero(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return true
		}
	}
	return false
}

func (d SVD) Form(c *nn.Context, m *adapter.Map) adapter.Form {
	a, b := m.Factor("A"), m.Factor("B")
	if w := float32(d.Orthogonality / float64(2*m.Maps)); w != 0 {
		c.AddLoss("orth_loss", w, c.Run(ag.NewOrthogonality(a, true)))
		c.AddLoss("orth_loss", w, c.Run(ag.NewOrthogonality(b, false)))
	}
	return adapter.Form{A: c.Run(ag.NewScaleRows(a, m.Factor("E"))), B: b}
}

func (d SVD) PEFT() adapter.Layout {
	return adapter.Layout{
		Type: "ADALORA", Rank: "init_r", Alpha: "lora_alpha",
		Config: map[string]any{
			"orth_reg_weight": d.Orthogonality, "total_step": 1, "tinit": 0, "tfinal": 0, "rank_pattern": nil,
			"init_lora_weights": true, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": false,
		},
		Tensors: []adapter.Tensor{{Factor: "A", Name: "lora_A"}, {Factor: "B", Name: "lora_B"}, {Factor: "E", Name: "lora_E", Ones: true}},
	}
}

func (SVD) FromPEFT(config map[string]any) (adapter.Delta, bool) {
	weight, ok := config["orth_reg_weight"].(float64)
	if !ok {
		weight = 0.5 // PEFT's default
	}
	return SVD{Orthogonality: weight}, config["peft_type"] == "ADALORA"
}
