package clip_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/clip"
	"github.com/lowrank/lowrank/nn/nntest"
)

// testdata is a CLIPVisionModelWithProjection that transformers 5.17 saved,
// random in all weights, with 3 images, the embeddings and hidden states that it
// gave for them, and the gradients of the embeddings' mean product with dout.

func config(t *testing.T) (cfg clip.Config) {
	t.Helper()
	nntest.Config(t, "testdata/config.json", &cfg)
	return cfg
}

// source gives copies of the tensors of the recorded model.
func source(t *testing.T) nn.Floats {
	t.Helper()
	return nntest.Open(t, "testdata/model.safetensors").Copy
}

func load(t *testing.T) *clip.Model {
	t.Helper()
	m, err := clip.Build(config(t), source(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// images returns the recorded pixels and weights of the embeddings.
func images(t *testing.T) (pixels, dout []float32) {
	in := nntest.Open(t, "testdata/inputs.safetensors")
	return slices.Clone(in.Floats(t, "pixel_values")), in.Floats(t, "dout")
}

// forward builds the outputs of a model on a tape of their own.
func forward(t *testing.T, m nn.Model, batch int, pixels []float32) (*nn.Context, ag.Tensor) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: batch, Pixels: ag.NewVariable(batch, len(pixels)/batch, pixels)}
	return c, nntest.Forward(t, m, c)
}

// TestRecorded compares embeddings, loss, hidden states and the gradient of
// every tensor with what transformers recorded.
func TestRecorded(t *testing.T) {
	want := nntest.Open(t, "testdata/base_outputs.safetensors")
	pixels, dout := images(t)
	nntest.AtEachLevel(t, func(t *testing.T) {
		m := load(t)
		m.SetTrained(true)
		c, embeds := forward(t, m, 3, pixels)
		rows, cols := ag.Dims(embeds)
		loss := c.Run(ag.NewWeightedMean(embeds, dout))
		if err := c.Backward(loss); err != nil {
			t.Fatal(err)
		}

		// Sums of up to 192 float32 products in another order, through two blocks.
		const abs, rel = 2e-6, 2e-5
		if rows != 3 || cols != m.Config.ProjectionDim {
			t.Errorf("the embeddings are %d×%d", rows, cols)
		}
		nntest.Near(t, "embeddings", ag.Floats(embeds), want.Floats(t, "logits"), abs, rel)
		nntest.Near(t, "loss", ag.Floats(loss), want.Floats(t, "loss"), 1e-7, 1e-6)
		for i, x := range c.Hidden {
			name := fmt.Sprintf("hidden_states.%d", i)
			nntest.Near(t, name, ag.Floats(x), want.Floats(t, name), abs, rel)
		}
		for _, p := range m.Params() {
			nntest.Near(t, "grad."+p.Name, p.GradFloats(), want.Floats(t, "grad."+p.Name), abs, rel)
		}
		if n := len(m.Params()) + 2 + len(c.Hidden); n != len(want.Names()) {
			t.Errorf("%d recorded tensors, compared were %d", len(want.Names()), n)
		}
	})
}
