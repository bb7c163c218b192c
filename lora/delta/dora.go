package delta

import (
	"fmt"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// DoRA is W' = diag(m/c)·(W0 + s·B·A) with A r×in, B out×r and the magnitude
// m 1×out (factor M), all trained, where c is the norm of each row of
// W0 + s·B·A (arXiv 2402.09353, eq. 5; rows, as in PEFT, where the paper says
// columns of its transposed weight). The gradient takes c as a constant
// (section 4.3), as PEFT and LoRAFactory do:
//
//	dv_i = m_i/c_i·g_i    of rows v of W0 + s·B·A and g of the gradient of W'
//
// With Attached it is the whole one, dv_i = m_i/c_i·(I − v̂_iᵀ·v̂_i)·g_i (eq. 11),
// which turns v_i and leaves its length, at one more pass over W0 a step. Files say
// nothing of it: the weights mean the same. s is α/r or, with RankRoot, α/√r.
type DoRA struct {
	RankRoot bool
	Attached bool
}

func (DoRA) Needs() []adapter.Capability { return nil }

func (DoRA) Provides() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.TrainedPair, adapter.Product, adapter.Additive}
}

func (d DoRA) Scaling(alpha float64, rank int) float64 { return scaling(alpha, rank, d.RankRoot) }

func (DoRA) Factors(m *adapter.Map) ([]adapter.Spec, error) {
	specs, err := pair(m)
	return append(specs, adapter.Spec{Name: "M", Rows: 1, Cols: m.Out, Trained: true}), err
}

// Start sets m to the row norms, by the operator that the form divides by, so
// that the gain is exactly one. A row of zeros has no direction: it is
// refused.
func (DoRA) Start(maps []*adapter.Map, _ *rand.Rand) error {
	for _, m := range maps {
		t := ag.NewTape()
		norms := ag.Floats(t.Run(ag.NewRowNorms(m.Base, m.Factor("A"), m.Factor("B"), m.Scaling)))
		for i, n := range norms {
			if !(n > 0) {
				return fmt.Errorf("delta: %s: row %d of the weight has norm %v: a magnitude needs a direction", m.Name, i, n)
			}
		}
		copy(m.Factor("M").Floats(), norms)
	}
	return nil
}

func (d DoRA) Form(c *nn.Context, m *adapter.Map) adapter.Form {
	a, b := m.Factor("A"), m.Factor("B")
	if m.Base == nil { // of unknown norms, with an unknown gain
		return adapter.Form{A: a, B: b}
	}
	f := ag.NewRowNorms(m.Base, a, b, m.Scaling)
	if d.Attached {
		f.Attach()
	}
	norms := c.Run(f)
	return adapter.Form{A: a, B: b, Gain: c.Run(ag.NewDiv(m.Factor("M"), norms))}
}

func (d DoRA) PEFT() adapter.Layout {
	l := LoRA{RankRoot: d.RankRoot}.PEFT()
	l.Config["use_dora"] = true
	l.Tensors = append(l.Tensors, adapter.Tensor{Factor: "M", Name: "lora_magnitude_vector", Vector: true, Channels: true})
	return l
}

func (DoRA) FromPEFT(config map[string]any) (adapter.Delta, bool) {
	root, _ := config["use_rslora"].(bool)
	dora, _ := config["use_dora"].(bool)
	return DoRA{RankRoot: root}, config["peft_type"] == "LORA" && dora && config["kasa_config"] == nil
}
