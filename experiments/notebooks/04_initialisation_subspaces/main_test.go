package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks"
)

// TestShortForm runs the whole experiment on a tiny base and checks the signs
// of its conclusions: PiSSA's change lies in the leading directions more than
// LoRA's, MiLoRA's in the trailing ones.
func TestShortForm(t *testing.T) {
	var screen, file bytes.Buffer
	nb, err := notebooks.New(source, subspaces, &screen)
	if err != nil {
		t.Fatal(err)
	}
	nb.Dir, nb.Short = t.TempDir(), true
	if err := subspaces(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"the overlap of pissa with W0's leading directions is above that of lora",
		"the overlap of milora with W0's trailing directions is above that of lora",
	} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("the conclusion does not say %q:\n%s", want, &screen)
		}
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
