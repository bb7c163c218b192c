package delta

import (
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// VeRA is W' = W0 + diag(b)·B·diag(d)·A, where A r×in and B out×r are random,
// frozen and the same for all maps: the upper left corners of one r×max(in)
// and one max(out)×r matrix. Trained are d 1×r, which starts at 0.1, and b
// 1×out, which starts at zero (arXiv 2310.11454, eq. 2). It has r+out
// parameters. As in PEFT there is no scaling, and A and B are uniform within
// √(6/columns).
type VeRA struct {
	DInitial float64 // what d starts at; 0: 0.1
}

func (VeRA) Needs() []adapter.Capability { return nil }

func (VeRA) Provides() []adapter.Capability { return []adapter.Capability{adapter.Gated} }

func (VeRA) Scaling(float64, int) float64 { return 1 }

func (VeRA) Factors(m *adapter.Map) ([]adapter.Spec, error) {
	specs, err := pair(m)
	for i := range specs {
		specs[i].Trained = false
	}
	return append(specs,
		adapter.Spec{Name: "d", Rows: 1, Cols: m.Rank, Trained: true},
		adapter.Spec{Name: "b", Rows: 1, Cols: m.Out, Trained: true}), err
}

// Start draws A and B and sets d. Maps of one width share the memory of A,
// maps of one rank that of B.
func (v VeRA) Start(maps []*adapter.Map, rng *rand.Rand) error {
	var in, out, r int
	for _, m := range maps {
		in, out, r = max(in, m.In), max(out, m.Out), max(r, m.Rank)
	}
	a, b := uniform(r, in, rng), uniform(out, r, rng)
	corner := corners()
	for _, m := range maps {
		m.Factor("A").Variable = corner(a, in, m.Rank, m.In)
		m.Factor("B").Variable = corner(b, r, m.Out, m.Rank)
		d := m.Factor("d").Floats()
		for k := range d {
			d[k] = float32(v.start())
		}
	}
	return nil
}

// uniform draws a rows×cols matrix by Kaiming's rule for ReLU.
func uniform(rows, cols int, rng *rand.Rand) []float32 {
	bound := math.Sqrt(6 / float64(cols))
	w := make([]float32, rows*cols)
	for i := range w {
		w[i] = float32(bound * (2*rng.Float64() - 1))
	}
	return w
}

// corners returns a function that cuts the upper left rows×cols corner out of
// w, whose rows are ld long. What is contiguous is not copied, and what was
// cut before is shared.
func corners() func(w []float32, ld, rows, cols int) *ag.Variable {
	type key struct {
		w          *float32
		rows, cols int
	}
	cut := map[key][]float32{}
	return func(w []float32, ld, rows, cols int) *ag.Variable {
		if cols == ld {
			return ag.NewVariable(rows, cols, w[:rows*cols])
		}
		k := key{&w[0], rows, cols}
		c, ok := cut[k]
		if !ok {
			for i := range rows {
				c = append(c, w[i*ld:i*ld+cols]...)
			}
			cut[k] = c
		}
		return ag.NewVariable(rows, cols, c)
	}
}

func (VeRA) Form(c *nn.Context, m *adapter.Map) adapter.Form {
	return adapter.Form{
		A: c.Run(ag.NewScaleRows(m.Factor("A"), m.Factor("d"))),
		B: c.Run(ag.NewScaleRows(m.Factor("B"), m.Factor("b"))),
	}
}

func (v VeRA) start() float64 {
	if v.DInitial != 0 {
		return v.DInitial
	}
	return 0.1
}

func (v VeRA) PEFT() adapter.Layout {
	return adapter.Layout{
		Type: "VERA", Rank: "r",
		Config: map[string]any{
			"save_projection": true, "projection_prng_key": 0, "d_initial": v.start(), "init_weights": true,
			"vera_dropout": 0.0, "bias": "none", "fan_in_fan_out": false,
		},
		Tensors: []adapter.Tensor{
			{Factor: "A", Name: "vera_A", Shared: true},
			{Factor: "B", Name: "vera_B", Shared: true},
			{Factor: "d", Name: "vera_lambda_d", Vector: true},
			{Factor: "b", Name: "vera_lambda_b", Vector: true},
		},
	}
}

func (VeRA) FromPEFT(config map[string]any) (adapter.Delta, bool) {
	d, _ := config["d_initial"].(float64)
	if d == 0.1 {
		d = 0 // the usual one has one form
	}
	return VeRA{DInitial: d}, config["peft_type"] == "VERA"
}
