package lora_test

import (
	"testing"

	"github.com/lowrank/lowrank/lora"
)

func TestPublished(t *testing.T) {
	known := 0
	for _, m := range lora.Methods() {
		p := m.Published
		if p == (lora.Published{}) {
			continue
		}
		known++
		if p.In == "" || p.Rank < 1 || p.Rank > 256 || p.Alpha < 0 || p.Alpha > 1024 || p.LR < 0 || p.LR > 0.1 || p.Root && p.Alpha == 0 {
			t.Errorf("%s: %+v are no numbers of an experiment", m.Name, p)
		}
	}
	if known == 0 {
		t.Error("no method has numbers")
	}
	composed, err := lora.Compose(lora.Recipe{Method: "pissa", Update: "lora-pro"})
	if err != nil || composed.Published != (lora.Published{}) {
		t.Errorf("a composition, which nobody has published, has %+v (%v)", composed.Published, err)
	}
}
