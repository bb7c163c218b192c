package loratest

import (
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
)

func TestEveryRowOfTheTable(t *testing.T) {
	for _, m := range lora.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			if err := Check(m); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCompositions(t *testing.T) {
	for _, r := range []lora.Recipe{
		{Delta: "dora", Init: "pissa", Update: "lora-pro", Rank: "adalora"},
		{Delta: "adalora", Init: "olora", Rank: "adalora"},
		{Delta: "rslora", Init: "lora-ga", Update: "lora-plus"},
		{Delta: "vera", Init: "vera", Router: "lora-moe"},
		{Delta: "adalora", Router: "mola"},
		{Delta: "hira", Update: "lora-fa"},
	} {
		m, err := lora.Compose(r)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			if err := Check(m); err != nil {
				t.Error(err)
			}
		})
	}
}

// zeros is an initializer that leaves A and B at zero: nothing ever moves.
type zeros struct{ initial.None }

func (zeros) Needs() []adapter.Capability { return nil }

// lost is one that moves the function.
type lost struct{ zeros }

func (lost) Init(maps []*adapter.Map, _ adapter.Inputs) error {
	for _, m := range maps {
		for _, name := range []string{"A", "B"} {
			for i := range m.Factor(name).Floats() {
				m.Factor(name).Floats()[i] = 0.1
			}
		}
	}
	return nil
}

// crooked is LoRA whose form reads B as trained and A as a constant.
type crooked struct{ delta.LoRA }

func (crooked) Form(_ *nn.Context, m *adapter.Map) adapter.Form {
	a := m.Factor("A")
	return adapter.Form{A: ag.NewVariable(a.Rows(), a.Cols(), a.Floats()), B: m.Factor("B")}
}

// The suite must tell what is broken.
func TestBrokenMethodsFail(t *testing.T) {
	for _, c := range []struct {
		change func(m *lora.Method)
		want   string
	}{
		{func(m *lora.Method) { m.Initial = zeros{} }, "steps: model.layers.0.self_attn.q_proj.A: trained is true, but three steps left it moved: false"},
		{func(m *lora.Method) { m.Initial = lost{} }, "start: logit"},
		{func(m *lora.Method) { m.Delta = crooked{} }, "gradients: model.layers.0.self_attn.q_proj.A is trained and has no gradient"},
	} {
		m, err := lora.Row("lora")
		if err != nil {
			t.Fatal(err)
		}
		c.change(&m)
		if err := Check(m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check says %v, want …%s…", err, c.want)
		}
	}
}
