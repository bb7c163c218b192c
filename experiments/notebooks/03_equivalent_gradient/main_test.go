package main

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks"
)

func TestShortForm(t *testing.T) {
	var screen, file bytes.Buffer
	nb, err := notebooks.New(source, equivalentGradient, &screen)
	if err != nil {
		t.Fatal(err)
	}
	nb.Dir, nb.Short = t.TempDir(), true
	if err := equivalentGradient(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"captured energy at the start is ‖G·P_A‖²/‖G‖² to 1e-4: true",
		"gradient descent have alignment 1 throughout: true",
		"LoRA-GA's factors see more of G than LoRA's: true",
	} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("the conclusion does not say %q", want)
		}
	}
	if strings.Contains(screen.String(), "NaN") {
		t.Error("a number is missing")
	}
	if err := nb.Write(&file); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), `"image/svg+xml"`); n != 5 {
		t.Errorf("the notebook has %d figures, want 5", n)
	}
	if t.Failed() {
		t.Log(screen.String())
	}
}

// The rank correlation of Spearman's definition: 1 − 6·Σd²/(n(n²−1)) without
// ties, and the mean of the ranks where there are.
func TestSpearman(t *testing.T) {
	// ranks 0 3 1 2 and 0 1 3 2: Σd² = 0 + 4 + 4 + 0
	if got, want := spearman([]float64{1, 10, 3, 4}, []float64{5, 6, 8, 7}), 1-6.0*8/60; math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	if got := ranks([]float64{2, 1, 2}); got[0] != 1.5 || got[1] != 0 || got[2] != 1.5 {
		t.Errorf("ranks with a tie: %v", got)
	}
	if got := spearman([]float64{1, 1, 1}, []float64{1, 2, 3}); !math.IsNaN(got) {
		t.Errorf("of a constant: %v", got)
	}
}
