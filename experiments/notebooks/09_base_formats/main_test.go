package main

import (
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
)

// TestShortForm runs the whole experiment on a tiny base: float32 is no distance
// from itself, and formats of fewer bits are further away.
func TestShortForm(t *testing.T) {
	notebookstest.Short(t, source, baseFormats, 2, "32.00  0.00e+00", "16.00", " 8.", "nf4 ends")
}
