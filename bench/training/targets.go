package training

import (
	"slices"

	"github.com/lowrank/lowrank/bench/step"
)

// What a step is to reach: parts of PyTorch's time and memory at most, of the
// peak of the cores at least.
const (
	compiledTime  = 0.75 // of torch.compile, encoder and decoder
	memoryOfTorch = 0.3
	memoryOfSum   = 1.25 // of the formula
	allAllocated  = 200
	longestPause  = 1.0 // ms, for the collection of garbage, after the first step
	firstStep     = 1.0 // seconds
	apartOfMerged = 1.05
	sameLoss      = 1e-4 // relative
)

// eagerTime is the part of PyTorch's time that a training may take; 0: none is
// set.
func eagerTime(s step.Shape, method string) float64 {
	switch {
	case s.Name == step.Study.Name:
		return 0.4
	case method == "lora":
		return 0.67
	case slices.Contains([]string{"dora", "pissa", "adalora", "lora-fa"}, method):
		return 0.6
	}
	return 0
}

// peakShare is the part of the peak that the matrix products alone are to make
// of a whole step.
func peakShare(threads int) float64 {
	if threads == 1 {
		return 0.7
	}
	return 0.6
}

// Methods are what is compared at a shape where nothing else is asked for.
func Methods(s step.Shape) []string {
	switch s.Name {
	case step.Study.Name:
		return []string{"lora", "dora", "adalora", "vera", "hira", "full"}
	case step.Masked.Name, step.Answers.Name:
		return []string{"lora"}
	}
	return []string{"lora", "dora", "pissa", "adalora", "lora-fa"}
}

// equal are the methods in which both sides do the same, and for some what that
// is.
var equal = map[string]string{
	"lora": "", "dora": "", "vera": "", "hira": "", "rslora": "",
	"pissa":         "both on the base less the product, whose decomposition is ours",
	"adalora":       "rank 12, steps that prune",
	"lora-fa":       "A frozen, AdamW on B, as the paper has it: PEFT's optimizer of that name projects besides",
	"full":          "the weights of the blocks, no adapter",
	step.Everything: "all weights, no adapter",
}
