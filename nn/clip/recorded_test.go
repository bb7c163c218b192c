package clip_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/clip"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// testdata is a CLIPVisionModelWithProjection that transformers 5.17 saved,
// random in all weights, with 3 images, the embeddings and hidden states that it
// gave for them, and the gradients of the embeddings' mean product with dout.

// atEachLevel runs f at every SIMD level of this machine.
func atEachLevel(t *testing.T, f func(t *testing.T)) {
	before := kernels.Active()
	defer kernels.SetLevel(before)
	for _, level := range kernels.Levels() {
		if err := kernels.SetLevel(level); err != nil {
			t.Fatal(err)
		}
		t.Run(level.String(), f)
	}
}

func config(t *testing.T) (cfg clip.Config) {
	t.Helper()
	b, err := os.ReadFile("testdata/config.json")
	if err == nil {
		err = json.Unmarshal(b, &cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A file is a recorded file of tensors.
type file struct {
	t *testing.T
	*pretrained.Safetensors
}

func open(t *testing.T, name string) file {
	t.Helper()
	s, err := pretrained.ReadSafetensors("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return file{t, s}
}

func (f file) tensor(name string) []float32 {
	f.t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return x.Data
}

// source gives copies of the tensors of the recorded model.
func source(t *testing.T) nn.Source {
	f := open(t, "model.safetensors")
	return nn.Floats(func(name string, shape ...int) ([]float32, error) {
		if have, _ := f.Shape(name); !slices.Equal(have, shape) {
			return nil, fmt.Errorf("%s is %v, asked for as %v", name, have, shape)
		}
		return slices.Clone(f.tensor(name)), nil
	})
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
	in := open(t, "inputs.safetensors")
	return slices.Clone(in.tensor("pixel_values")), in.tensor("dout")
}

// forward builds the outputs of a model on a tape of their own.
func forward(t *testing.T, m nn.Model, batch int, pixels []float32) (*nn.Context, ag.Tensor) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: batch, Pixels: ag.NewVariable(batch, len(pixels)/batch, pixels)}
	var y ag.Tensor
	if err := ag.Guard(func() { y = m.Forward(c) }); err != nil {
		t.Fatal(err)
	}
	return c, y
}

// near fails where got and want differ by more than abs + rel·|want|.
func near(t *testing.T, name string, got, want []float32, abs, rel float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	worst, at := 0.0, -1
	for i := range got {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if over := d / (abs + rel*math.Abs(float64(want[i]))); !(over <= 1) && !(over <= worst) {
			worst, at = over, i
		}
	}
	if at >= 0 {
		t.Errorf("%s[%d] = %g, want %g: %.1f times the tolerance", name, at, got[at], want[at], worst)
	}
}

// TestRecorded compares embeddings, loss, hidden states and the gradient of
// every tensor with what transformers recorded.
func TestRecorded(t *testing.T) {
	want := open(t, "base_outputs.safetensors")
	pixels, dout := images(t)
	atEachLevel(t, func(t *testing.T) {
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
		near(t, "embeddings", ag.Floats(embeds), want.tensor("logits"), abs, rel)
		near(t, "loss", ag.Floats(loss), want.tensor("loss"), 1e-7, 1e-6)
		for i, x := range c.Hidden {
			name := fmt.Sprintf("hidden_states.%d", i)
			near(t, name, ag.Floats(x), want.tensor(name), abs, rel)
		}
		for _, p := range m.Params() {
			near(t, "grad."+p.Name, p.GradFloats(), want.tensor("grad."+p.Name), abs, rel)
		}
		if n := len(m.Params()) + 2 + len(c.Hidden); n != len(want.Names()) {
			t.Errorf("%d recorded tensors, compared were %d", len(want.Names()), n)
		}
	})
}
