package verify

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora/update"
	"github.com/lowrank/lowrank/nn/optim"
)

// The parameters of an optimizer decide which one it is.
func TestRule(t *testing.T) {
	adam := optim.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
	both := []string{"lin1.lora_A.default.weight", "lin1.lora_B.default.weight"}
	for _, c := range []struct {
		name  string
		hyper map[string]any
		only  []string
		want  any // a chain, or what the error says
	}{
		{"adamw", map[string]any{"lr": 0.1}, both, optim.Chain{adam, optim.Decay{Weight: 0.01}}},
		{"adamw", map[string]any{"lr": 0.1, "eps": 1e-6, "betas": []any{0.5, 0.6}, "weight_decay": 0.0}, both, optim.Chain{optim.Adam{Beta1: 0.5, Beta2: 0.6, Eps: 1e-6}, optim.Decay{}}},
		{"x", map[string]any{"lr": 0.1, "cls": "torch.optim.Adam", "amsgrad": false}, both, optim.Chain{optim.Decay{}, adam}},
		{"x", map[string]any{"lr": 0.1, "cls": "torch.optim.SGD", "momentum": 0.5}, both, optim.Chain{optim.Decay{}, optim.Momentum{Mu: 0.5}}},
		{"x", map[string]any{"lr": 0.1, "loraplus_lr_ratio": 4.0}, both, optim.Chain{adam, update.PEFTPlus{Ratio: 4}}},
		{"x", map[string]any{"lr": 0.1, "weight_decay": 0.2}, both[1:], optim.Chain{update.RowProjection{}, optim.Except{Role: "A", Then: optim.Chain{
			optim.AdamHF{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6}, optim.DecayAfter{Weight: 0.2},
		}}}},
		{"x", map[string]any{"lr": 0.1}, both, "optimizer x  is not supported"},
		{"adamw", map[string]any{"lr": 0.1, "amsgrad": true}, both, "amsgrad is true: not supported"},
		{"x", map[string]any{"lr": 0.1, "cls": "torch.optim.SGD", "dampening": 0.1}, both, "dampening is 0.1: not supported"},
		{"x", map[string]any{"lr": 0.1, "cls": "torch.optim.RMSprop"}, both, "torch.optim.RMSprop is not supported"},
		{"riemannian", map[string]any{"lr": 0.1, "signature": "(model, …)"}, both, optim.Chain{update.Precondition{Damping: 0.01}, optim.Chain{adam, optim.Decay{Weight: 0.01}}}},
		{"x", map[string]any{"lr": 0.1, "cls": "torch.optim.SGD", "reg": 1.0}, both, optim.Chain{update.Precondition{Damping: 1}, optim.Chain{optim.Decay{}, optim.Momentum{}}}},
		{"x", map[string]any{"lr": 0.1, "signature": "(model, …)"}, both[1:], "signature is (model, …): not supported"},
		{"adamw", map[string]any{}, both, "lr is missing"},
	} {
		rec := &recording{about: about{Name: c.name, Hyper: c.hyper, Trainable: c.only}}
		got, err := rec.rule()
		if says, ok := c.want.(string); ok {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s %v: %v, want …%s…", c.name, c.hyper, err, says)
			}
			continue
		}
		if err != nil || got.rate != 0.1 || !reflect.DeepEqual(got.transform, c.want) {
			t.Errorf("%s %v: %+v, %v, want %+v", c.name, c.hyper, got, err, c.want)
		}
	}
}
