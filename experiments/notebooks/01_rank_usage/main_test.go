package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
	"github.com/lowrank/lowrank/experiments/record"
)

// TestShortForm runs the whole experiment on a tiny base and holds what it
// says against what lies in the folders of the runs.
func TestShortForm(t *testing.T) {
	_, dir := notebookstest.Short(t, source, rankUsage, 3, "Rank usage falls as the rank grows")
	mean := map[int]float64{} // rank usage after the last step, over adapters
	for _, rank := range []int{2, 8} {
		metrics, err := record.ReadMetrics(filepath.Join(dir, "runs", fmt.Sprintf("rank%d", rank), "lora_lr1e-2_seed1"))
		if err != nil {
			t.Fatal(err)
		}
		last, sum, n := 0, 0.0, 0
		for _, m := range metrics {
			if m.Name != "rank_usage" || m.Aggregate() {
				continue
			}
			if m.Step > last {
				last, sum, n = m.Step, 0, 0
			}
			sum, n = sum+m.Value, n+1
		}
		if n != 7 { // the linear maps of its one block
			t.Fatalf("rank %d: %d adapters were measured at step %d, want 7", rank, n, last)
		}
		mean[rank] = sum / float64(n)
	}
	if mean[8] >= mean[2] {
		t.Errorf("rank usage is %.3f at rank 2 and %.3f at rank 8: want it to fall", mean[2], mean[8])
	}
}

func TestTrend(t *testing.T) {
	for _, test := range []struct {
		groups [][]float64
		want   string
	}{
		{[][]float64{{3, 4}, {2, 2.5}, {1}}, falls},
		{[][]float64{{1, 2}, {3, 4}}, rises},
		{[][]float64{{3, 4}, {2, 3}}, neither}, // touching: not told apart
		{[][]float64{{3}, {2}, {2.5}}, neither},
	} {
		if got := trend(test.groups); got != test.want {
			t.Errorf("%v %s, want %s", test.groups, got, test.want)
		}
	}
}
