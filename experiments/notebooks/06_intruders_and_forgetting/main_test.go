package main

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
	"github.com/lowrank/lowrank/experiments/record"
)

// TestShortForm runs the whole experiment on a tiny base and holds the sign of
// its conclusion against what lies in the folders of the runs.
func TestShortForm(t *testing.T) {
	_, dir := notebookstest.Short(t, source, intruders, 2, "After LoRA forgetting rises with the number of intruder dimensions.")
	forgot := map[string]float64{}
	for _, id := range []string{"lora_lr1e-3_seed1", "lora_lr1e-1_seed1"} {
		r, err := record.ReadRun(filepath.Join(dir, "runs", id))
		if err != nil {
			t.Fatal(err)
		}
		forgot[id] = r.Eval["base_after"] - r.Eval["base_before"]
	}
	if forgot["lora_lr1e-1_seed1"] <= forgot["lora_lr1e-3_seed1"] {
		t.Errorf("forgetting is %v: must be more at the higher rate", forgot)
	}
}

func TestPartial(t *testing.T) {
	x, y, z := []float64{1, 2, 3, 4}, []float64{10, 20, 30, 29}, []float64{4, 1, 3, 2}
	if got, want := partial(x, y, z), (0.8-0.4*0.2)/math.Sqrt((1-0.4*0.4)*(1-0.2*0.2)); math.Abs(got-want) > 1e-12 {
		t.Errorf("partial correlation is %v: must be %v", got, want) // x and z have −0.4, y and z −0.2
	}
}
