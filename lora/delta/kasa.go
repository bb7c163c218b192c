package delta

import (
	"fmt"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// KaSA is W' = Base + s·B·diag(E)·A with A r×in, E r×1 and B out×r, all trained,
// on a base without its r smallest singular components, which its initializer
// takes out (arXiv 2412.06071, eq. 5–8). The objective gains, for each map,
//
//	Values·‖E‖² + Orthogonality·(‖Bᵀ·B − I‖ + ‖A·Aᵀ − I‖)
//
// in the Frobenius norm (eq. 9–12; their sizes are those of the authors' runs
// on GLUE, and PEFT's beta and gamma).
type KaSA struct {
	Values        float64
	Orthogonality float64
}

func (KaSA) Needs() []adapter.Capability { return nil }

func (KaSA) Provides() []adapter.Capability { return SVD{}.Provides() }

// Check refuses a weight that is no penalty.
func (d KaSA) Check() error {
	if !(d.Values >= 0 && d.Values <= 1e6) {
		return fmt.Errorf("delta: values is %v: must be in 0..1e6", d.Values)
	}
	return SVD{Orthogonality: d.Orthogonality}.Check()
}

func (KaSA) Scaling(alpha float64, rank int) float64 { return scaling(alpha, rank, false) }

func (KaSA) Factors(m *adapter.Map) ([]adapter.Spec, error) { return SVD{}.Factors(m) }

func (KaSA) Start(maps []*adapter.Map, rng *rand.Rand) error { return SVD{}.Start(maps, rng) }

func (d KaSA) Form(c *nn.Context, m *adapter.Map) adapter.Form {
	a, b, e := m.Factor("A"), m.Factor("B"), m.Factor("E")
	if w := float32(d.Orthogonality); w != 0 {
		c.AddLoss("orth_loss", w, c.Run(ag.NewOrthogonality(a, true)))
		c.AddLoss("orth_loss", w, c.Run(ag.NewOrthogonality(b, false)))
	}
	if d.Values != 0 {
		squares := c.Run(ag.NewMeanSquare(e, make([]float32, m.Rank)))
		c.AddLoss("value_loss", float32(d.Values*float64(m.Rank)), squares)
	}
	return adapter.Form{A: c.Run(ag.NewScaleRows(a, e)), B: b}
}

func (d KaSA) PEFT() adapter.Layout {
	l := LoRA{}.PEFT()
	l.Config["kasa_config"] = map[string]any{"beta": d.Values, "gamma": d.Orthogonality}
	l.Tensors = append(l.Tensors, adapter.Tensor{Factor: "E", Name: "lora_diag", Vector: true})
	l.OwnStart = true
	return l
}

func (KaSA) FromPEFT(config map[string]any) (adapter.Delta, bool) {
	c, ok := config["kasa_config"].(map[string]any)
	d := KaSA{Values: 1e-4, Orthogonality: 1e-3} // PEFT's defaults
	if beta, ok := c["beta"].(float64); ok {
		d.Values = beta
	}
	if gamma, ok := c["gamma"].(float64); ok {
		d.Orthogonality = gamma
	}
	return d, ok && config["peft_type"] == "LORA"
}
