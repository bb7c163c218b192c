package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks"
)

// TestShortForm runs the whole experiment on a tiny base: float32 is no distance
// from itself, and formats of fewer bits are further away.
func TestShortForm(t *testing.T) {
	var screen, file bytes.Buffer
	nb, err := notebooks.New(source, baseFormats, &screen)
	if err != nil {
		t.Fatal(err)
	}
	nb.Dir, nb.Short = t.TempDir(), true
	if err := baseFormats(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	text := screen.String()
	for _, want := range []string{"32.00  0.00e+00", "16.00", " 8.", "nf4 ends"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "NaN") {
		t.Errorf("a number is missing:\n%s", text)
	}
	if err := nb.Write(&file); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), `"image/svg+xml"`); n != 2 {
		t.Errorf("the notebook has %d figures, want 2", n)
	}
}
