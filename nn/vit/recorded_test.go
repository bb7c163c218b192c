package vit_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/nntest"
	"github.com/lowrank/lowrank/nn/vit"
)

// testdata is a ViTForImageClassification that transformers 5.17 saved, random
// in all weights, with 3 images and their classes, and the loss, logits, hidden
// states and gradients that it gave for them.

func config(t *testing.T) (cfg vit.Config) {
	t.Helper()
	nntest.Config(t, "testdata/config.json", &cfg)
	return cfg
}

// source gives copies of the tensors of the recorded model.
func source(t *testing.T) nn.Floats {
	t.Helper()
	return nntest.Open(t, "testdata/model.safetensors").Copy
}

func load(t *testing.T) *vit.Model {
	t.Helper()
	m, err := vit.Build(config(t), source(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// images returns the recorded pixels and classes.
func images(t *testing.T) (pixels []float32, classes []int32) {
	in := nntest.Open(t, "testdata/inputs.safetensors")
	return slices.Clone(in.Floats(t, "pixel_values")), in.Int32s(t, "labels")
}

// forward builds the outputs of a model on a tape of their own.
func forward(t *testing.T, m nn.Model, batch int, pixels []float32) (*nn.Context, ag.Tensor) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: batch, Pixels: ag.NewVariable(batch, len(pixels)/batch, pixels)}
	return c, nntest.Forward(t, m, c)
}

// TestRecorded compares logits, loss, hidden states and the gradient of every
// tensor with what transformers recorded.
func TestRecorded(t *testing.T) {
	want := nntest.Open(t, "testdata/base_outputs.safetensors")
	pixels, classes := images(t)
	grads := map[string][]float32{}
	for _, name := range want.Names() {
		var tensor string
		if n, _ := fmt.Sscanf(name, "grad.%s", &tensor); n == 1 {
			grads[tensor] = want.Floats(t, name)
		}
	}
	nntest.AtEachLevel(t, func(t *testing.T) {
		m := load(t)
		m.SetTrained(true)
		c, logits := forward(t, m, len(classes), pixels)
		loss, err := m.Task().Loss(c, logits, nn.Labels{Classes: classes})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Backward(loss); err != nil {
			t.Fatal(err)
		}

		// Sums of up to 192 float32 products in another order, through two blocks.
		const abs, rel = 2e-6, 2e-5
		nntest.Near(t, "logits", ag.Floats(logits), want.Floats(t, "logits"), abs, rel)
		nntest.Near(t, "loss", ag.Floats(loss), want.Floats(t, "loss"), 0, 1e-6)
		for i, x := range c.Hidden {
			name := fmt.Sprintf("hidden_states.%d", i)
			nntest.Near(t, name, ag.Floats(x), want.Floats(t, name), abs, rel)
		}
		for _, p := range m.Params() {
			if grads[p.Path()] == nil {
				t.Errorf("%s: no gradient is recorded under its name", p.Name)
				continue
			}
			nntest.Near(t, "grad."+p.Name, p.GradFloats(), grads[p.Path()], abs, rel)
		}
		if len(grads) != len(m.Params()) || len(want.Names()) != len(grads)+2+len(c.Hidden) {
			t.Errorf("%d recorded tensors, %d of them gradients; compared were %d gradients, %d hidden states, logits and loss",
				len(want.Names()), len(grads), len(m.Params()), len(c.Hidden))
		}
	})
}
