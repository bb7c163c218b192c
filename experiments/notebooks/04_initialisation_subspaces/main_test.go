package main

import (
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
)

// TestShortForm runs the whole experiment on a tiny base and checks the signs
// of its conclusions: PiSSA's change lies in the leading directions more than
// LoRA's, MiLoRA's in the trailing ones.
func TestShortForm(t *testing.T) {
	notebookstest.Short(t, source, subspaces, 2,
		"the overlap of pissa with W0's leading directions is above that of lora",
		"the overlap of milora with W0's trailing directions is above that of lora",
	)
}
