package main

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
)

func TestShortForm(t *testing.T) {
	notebookstest.Short(t, source, featureLearning, 4,
		"equal, constant: δ1 grows",
		"equal, 1/n: δ1 falls",
		"Only the ratio that grows with the width keeps both parts steady: true",
	)
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
