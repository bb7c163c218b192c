package lora_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// An adapter on a base in NF4 merges into the decoded weights, is taken out again
// with the base as it was, and its files fit both this base and the one in float32.
func TestKeptBase(t *testing.T) {
	load := func() nn.Model {
		m, err := pretrained.LoadKept("../nn/llama/testdata", kernels.NF4, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	model := load()
	row, err := lora.Row("lora")
	if err != nil {
		t.Fatal(err)
	}
	set, err := lora.Inject(model, row, lora.Options{Rank: 2, Alpha: 4, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Maps {
		b := m.Factor("B").Floats()
		for i := range b {
			b[i] = float32(i%7)/16 - 0.2
		}
	}
	outputs := func(m nn.Model) []float32 {
		var y ag.Tensor
		if err := ag.Guard(func() {
			y = m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 4, IDs: []int32{1, 2, 3, 4}})
		}); err != nil {
			t.Fatal(err)
		}
		return ag.Floats(y)
	}
	adapted := outputs(model)
	config, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Merge(); err != nil {
		t.Fatal(err)
	}
	for i, y := range outputs(model) {
		if d := y - adapted[i]; d > 1e-4 || d < -1e-4 { // sums of some hundred products near one
			t.Fatalf("output %d is %v merged, %v adapted", i, y, adapted[i])
		}
	}
	set.Unmerge()
	for _, m := range set.Maps {
		if s := m.W.Values().Stored; s == nil || s.Format != kernels.NF4 {
			t.Errorf("%s is no longer kept as nf4", m.Name)
		}
	}
	if !slices.Equal(outputs(model), adapted) {
		t.Error("merged and unmerged, it computes something else")
	}
	again := load()
	if _, err := lora.Load(again, config, weights); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(outputs(again), adapted) {
		t.Error("read on the same base, it computes something else")
	}
	plain, err := pretrained.Load("../nn/llama/testdata")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lora.Load(plain, config, weights); err != nil {
		t.Errorf("on the base in float32: %v", err)
	}
}
