package main

import (
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
)

// TestShortForm runs the whole experiment on a tiny base and checks the sign of
// its conclusion: the change of full fine-tuning has the higher rank.
func TestShortForm(t *testing.T) {
	notebookstest.Short(t, source, fullAndLowRank, 2, "The effective rank of ΔW is higher with full than with lora r=8")
}

func TestRelative(t *testing.T) {
	if got := relative([]float64{4, 3}, 5); got[0] != 0.64 || got[1] != 1 {
		t.Errorf("parts %v: must be 0.64 and 1", got)
	}
}
