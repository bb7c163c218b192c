package vit_test

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
	"github.com/lowrank/lowrank/nn/pretrained"
	"github.com/lowrank/lowrank/nn/vit"
)

// testdata is a ViTForImageClassification that transformers 5.17 saved, random
// in all weights, with 3 images and their classes, and the loss, logits, hidden
// states and gradients that it gave for them.

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

func config(t *testing.T) (cfg vit.Config) {
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
	in := open(t, "inputs.safetensors")
	labels, err := in.Ints("labels")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range labels {
		classes = append(classes, int32(l))
	}
	return slices.Clone(in.tensor("pixel_values")), classes
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

// TestRecorded compares logits, loss, hidden states and the gradient of every
// tensor with what transformers recorded.
func TestRecorded(t *testing.T) {
	want := open(t, "base_outputs.safetensors")
	pixels, classes := images(t)
	grads := map[string][]float32{}
	for _, name := range want.Names() {
		var tensor string
		if n, _ := fmt.Sscanf(name, "grad.%s", &tensor); n == 1 {
			grads[tensor] = want.tensor(name)
		}
	}
	atEachLevel(t, func(t *testing.T) {
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
		near(t, "logits", ag.Floats(logits), want.tensor("logits"), abs, rel)
		near(t, "loss", ag.Floats(loss), want.tensor("loss"), 0, 1e-6)
		for i, x := range c.Hidden {
			name := fmt.Sprintf("hidden_states.%d", i)
			near(t, name, ag.Floats(x), want.tensor(name), abs, rel)
		}
		for _, p := range m.Params() {
			if grads[p.Path()] == nil {
				t.Errorf("%s: no gradient is recorded under its name", p.Name)
				continue
			}
			near(t, "grad."+p.Name, p.GradFloats(), grads[p.Path()], abs, rel)
		}
		if len(grads) != len(m.Params()) || len(want.Names()) != len(grads)+2+len(c.Hidden) {
			t.Errorf("%d recorded tensors, %d of them gradients; compared were %d gradients, %d hidden states, logits and loss",
				len(want.Names()), len(grads), len(m.Params()), len(c.Hidden))
		}
	})
}
