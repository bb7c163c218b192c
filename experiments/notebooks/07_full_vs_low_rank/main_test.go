package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks"
)

// TestShortForm runs the whole experiment on a tiny base and checks the sign of
// its conclusion: the change of full fine-tuning has the higher rank.
func TestShortForm(t *testing.T) {
	var screen, file bytes.Buffer
	nb, err := notebooks.New(source, fullAndLowRank, &screen)
	if err != nil {
		t.Fatal(err)
	}
	nb.Dir, nb.Short = t.TempDir(), true
	if err := fullAndLowRank(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	if want := "The effective rank of ΔW is higher with full than with lora r=8"; !strings.Contains(screen.String(), want) {
		t.Errorf("the conclusion does not say %q:\n%s", want, &screen)
	}
	if strings.Contains(screen.String(), "NaN") {
		t.Errorf("a number is missing:\n%s", &screen)
	}
	if err := nb.Write(&file); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), `"image/svg+xml"`); n != 2 {
		t.Errorf("the notebook has %d figures, want 2", n)
	}
}

func TestRelative(t *testing.T) {
	if got := relative([]float64{4, 3}, 5); got[0] != 0.64 || got[1] != 1 {
		t.Errorf("parts %v: must be 0.64 and 1", got)
	}
}
