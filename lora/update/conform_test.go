package update_test

import (
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/loratest"
	"github.com/lowrank/lowrank/lora/update"
)

// The suite of methods on rules and forms of rules that no row of the table has.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name   string
		recipe lora.Recipe
		update adapter.Update
	}{
		{"GaLore", lora.Recipe{Method: "full"}, update.GaLore{Rank: 4, Every: 2, Scale: 0.25}},
		{"AdaLomo", lora.Recipe{Method: "full"}, update.AdaLomo{}},
		{"Muon of full weights", lora.Recipe{Method: "full"}, update.Muon{Momentum: 0.95, Nesterov: true, Steps: 5}},
		{"Restarts", lora.Recipe{}, update.Restarts{Warmup: 1, Keep: 0.1}},
		{"LoRA-FA of PEFT", lora.Recipe{}, update.LoRAFA{PEFT: true}},
		{"LoRA+ of PEFT", lora.Recipe{Delta: "dora"}, update.LoRAPlus{Ratio: 16, PEFT: true}},
		{"LoRA-Pro, symmetric", lora.Recipe{}, update.LoRAPro{X: update.Symmetric}},
		{"LoRA-Pro, gradient", lora.Recipe{}, update.LoRAPro{Form: update.Gradient, X: update.Zero}},
		{"LoRA-RITE on DoRA", lora.Recipe{Delta: "dora"}, update.LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, EscapedMass: true}},
		{"ScaledAdamW on PiSSA", lora.Recipe{Init: "pissa"}, update.ScaledAdamW{Damping: 0.01}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := lora.Compose(c.recipe)
			if err != nil {
				t.Fatal(err)
			}
			m.Update = c.update
			if err := m.Check(); err != nil {
				t.Fatal(err)
			}
			if err := loratest.Check(m); err != nil {
				t.Error(err)
			}
		})
	}
}
