package lora_test

import (
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/delta"
)

// A row has no numbers, or those of an experiment that can have been: in a
// model and data, with a rank unless it trains the whole weight, with an α only
// where its delta has a scaling to set.
func TestPublished(t *testing.T) {
	known := 0
	for _, m := range lora.Methods() {
		p := m.Published
		if p == (lora.Published{}) {
			continue
		}
		known++
		_, full := m.Delta.(delta.Full)
		scaled := m.Delta.Scaling(2, 8) != m.Delta.Scaling(1, 8)
		model, data, both := strings.Cut(p.In, ", ")
		switch {
		case !both || strings.TrimSpace(model) == "" || strings.TrimSpace(data) == "":
			t.Errorf("%s: in %q: want model and data", m.Name, p.In)
		case p.Rank < 0 || p.Rank > 256 || p.Rank == 0 && !full:
			t.Errorf("%s: rank %d", m.Name, p.Rank)
		case p.Alpha < 0 || p.Alpha > 1024 || p.Alpha > 0 && !scaled || p.Root && p.Alpha == 0:
			t.Errorf("%s: α %v (root %v), of a delta whose scaling depends on α: %v", m.Name, p.Alpha, p.Root, scaled)
		case p.LR != 0 && (p.LR < 1e-7 || p.LR > 0.1):
			t.Errorf("%s: learning rate %v", m.Name, p.LR)
		case p.LR == 0 && p.Alpha == 0:
			t.Errorf("%s: %+v tell nothing", m.Name, p)
		case m.ArXiv == "" && !strings.Contains(m.Paper, "OpenReview"):
			t.Errorf("%s: numbers of no paper", m.Name)
		}
	}
	if known < 35 {
		t.Errorf("%d methods have numbers", known)
	}
	composed, err := lora.Compose(lora.Recipe{Method: "pissa", Update: "lora-pro"})
	if err != nil || composed.Published != (lora.Published{}) {
		t.Errorf("a composition, which nobody has published, has %+v (%v)", composed.Published, err)
	}
}
