package pretrained

import (
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn"
)

// TestLoadWith: a language model that is to classify keeps its body, leaves its
// head and gets a classifier, the same for one seed.
func TestLoadWith(t *testing.T) {
	base, err := Load(recorded)
	if err != nil {
		t.Fatal(err)
	}
	weights := map[string][]float32{}
	for _, p := range base.Params() {
		weights[p.Name] = p.Floats()
	}
	var scores [][]float32
	for _, seed := range []uint64{1, 1, 2} {
		h := Head{Labels: 3, Task: nn.MultiLabel, Seed: seed}
		m, err := LoadWith(recorded, &h)
		if err != nil {
			t.Fatal(err)
		}
		if m.Task() != nn.MultiLabel || !slices.Equal(h.New, []string{"score.weight"}) {
			t.Errorf("the task is %q, new are %v", m.Task(), h.New)
		}
		for _, p := range m.Params() {
			if p.Name == "score.weight" {
				scores = append(scores, p.Floats())
			} else if !slices.Equal(p.Floats(), weights[p.Name]) {
				t.Errorf("%s is not the file's", p.Name)
			}
		}
	}
	if !slices.Equal(scores[0], scores[1]) || slices.Equal(scores[0], scores[2]) || len(scores[0]) != 3*48 {
		t.Errorf("scores %v", scores)
	}
	for _, h := range []Head{{Labels: 0, Task: nn.Classification}, {Labels: 2, Task: nn.NextToken}} {
		if _, err := LoadWith(recorded, &h); err == nil || !strings.Contains(err.Error(), "config.json") {
			t.Errorf("%+v: %v", h, err)
		}
	}
}
