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
	nb, err := notebooks.New(source, featureLearning, &screen)
	if err != nil {
		t.Fatal(err)
	}
	nb.Dir, nb.Short = t.TempDir(), true
	if err := featureLearning(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"equal, constant: δ1 grows",
		"equal, 1/n: δ1 falls",
		"Only the ratio that grows with the width keeps both parts steady: true",
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
	if n := strings.Count(file.String(), `"image/svg+xml"`); n != 4 {
		t.Errorf("the notebook has %d figures, want 4", n)
	}
	if t.Failed() {
		t.Log(screen.String())
	}
}

func TestSlope(t *testing.T) {
	if got := slope([]int{1, 4, 16}, []float64{3, 1.5, 0.75}); math.Abs(got+0.5) > 1e-12 {
		t.Errorf("the slope of 3/√n is %v", got)
	}
}

func TestRates(t *testing.T) {
	a, ratio := rule{a: 1, b: 0, ratio: 2}.rates(256, 64, 0.4)
	if a != 0.1 || ratio != 8 {
		t.Errorf("at four times the width: %v and %v times as high, want 0.1 and 8", a, ratio)
	}
}
