// Package berttest holds a model of BERT's kin to what transformers recorded of
// it (testdata/record.py of package bert).
package berttest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/nntest"
)

// A File is a recorded file of tensors.
type File struct{ nntest.File }

// Open reads one.
func Open(t *testing.T, path string) File {
	t.Helper()
	return File{nntest.Open(t, path)}
}

// Sums of up to some 200 float32 products in another order, through two blocks.
const abs, rel = 1e-5, 1e-4

// Source gives copies of a file's tensors, of which some names lack the prefix,
// and of those that are too large the first rows.
func (f File) Source(prefix string) nn.Source {
	return nn.Floats(func(name string, shape ...int) ([]float32, error) {
		if !f.Has(name) {
			name = strings.TrimPrefix(name, prefix)
		}
		x, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		have, _ := f.Shape(name)
		if have[0] < shape[0] || !slices.Equal(have[1:], shape[1:]) {
			return nil, fmt.Errorf("%s is %v, not %v", name, have, shape)
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		return slices.Clone(x.Data[:n]), nil
	})
}

// Inputs reads a batch.
func (f File) Inputs(t *testing.T) *nn.Context {
	t.Helper()
	shape, ok := f.Shape("input_ids")
	if !ok {
		t.Fatal("no input_ids")
	}
	c := &nn.Context{Tape: ag.NewTape(), Batch: shape[0], Tokens: shape[1], IDs: f.Int32s(t, "input_ids")}
	var err error
	if c.First, c.End, err = nn.Padding(f.Int64s(t, "attention_mask"), c.Batch, c.Tokens); err != nil {
		t.Fatal(err)
	}
	if f.Has("token_type_ids") {
		c.Types = f.Int32s(t, "token_type_ids")
	}
	return c
}

// labels reads the labels of the batch.
func (f File) labels(t *testing.T) nn.Labels {
	if _, err := f.Ints("labels"); err == nil {
		return nn.Labels{Classes: f.Int32s(t, "labels")}
	}
	return nn.Labels{Values: f.Floats(t, "labels")}
}

// A Trainable can be trained in all its tensors.
type Trainable interface {
	nn.Model
	SetTrained(bool)
}

// CheckRecorded runs [Check] on all that testdata has recorded, at each SIMD level.
func CheckRecorded[M Trainable](t *testing.T, build func(t *testing.T, config []byte, weights File) M) {
	weights := Open(t, "testdata/weights.safetensors")
	for _, name := range []string{"classification", "masked_lm", "masked_lm_untied", "model", "multi_label", "regression"} {
		t.Run(name, func(t *testing.T) {
			f := Open(t, "testdata/"+name+".safetensors")
			config := f.Case(t).Config
			nntest.AtEachLevel(t, func(t *testing.T) { Check(t, f, f, build(t, config, weights)) })
		})
	}
}

// CheckFixture runs it on a folder with a checkpoint, a batch and its outputs, where
// there is one.
func CheckFixture[M Trainable](t *testing.T, dir string, build func(t *testing.T, config []byte, weights File) M) {
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Skip("shared/fixtures is not here: the models in testdata are checked alone")
	}
	read := func(name string) File { return Open(t, filepath.Join(dir, name)) }
	weights, inputs, outputs := read("model.safetensors"), read("inputs.safetensors"), read("base_outputs.safetensors")
	nntest.AtEachLevel(t, func(t *testing.T) { Check(t, inputs, outputs, build(t, config, weights)) })
}

// Check compares outputs, hidden states, loss and gradients with the recorded
// ones, and with themselves where the model is frozen, copied, or its graph was
// built on other inputs.
func Check(t *testing.T, inputs, outputs File, m Trainable) {
	t.Helper()
	frozen := ag.Floats(nntest.Forward(t, m, inputs.Inputs(t)))
	nntest.EqualBits(t, "outputs of a clone", ag.Floats(nntest.Forward(t, m.Clone(), inputs.Inputs(t))), frozen)

	m.SetTrained(true)
	c := inputs.Inputs(t)
	y := nntest.Forward(t, m, c)
	nntest.Near(t, "outputs", ag.Floats(y), outputs.Floats(t, "logits"), abs, rel)
	nntest.EqualBits(t, "outputs trained", ag.Floats(y), frozen)
	for i, h := range c.Hidden {
		name := fmt.Sprintf("hidden_states.%d", i)
		nntest.Near(t, name, ag.Floats(h), outputs.Floats(t, name), abs, rel)
	}
	if outputs.Has(fmt.Sprintf("hidden_states.%d", len(c.Hidden))) {
		t.Errorf("only %d hidden states", len(c.Hidden))
	}
	if inputs.Has("labels") {
		checkLoss(t, inputs, outputs, m, c, y)
	}

	m.SetTrained(false)
	want := inputs.Inputs(t)
	other := inputs.Inputs(t)
	for i := range other.IDs {
		other.IDs[i] = int32(4 + i%7)
	}
	clear(other.Types)
	for b := range other.First {
		other.First[b], other.End[b] = 0, other.Tokens
	}
	y = nntest.Forward(t, m, other)
	copy(other.IDs, want.IDs)
	copy(other.Types, want.Types)
	copy(other.First, want.First)
	copy(other.End, want.End)
	if err := m.Check(other); err != nil {
		t.Error(err)
	}
	other.Replay()
	nntest.EqualBits(t, "outputs replayed", ag.Floats(y), frozen)
}

func checkLoss(t *testing.T, inputs, outputs File, m nn.Model, c *nn.Context, y ag.Tensor) {
	t.Helper()
	loss, err := m.Task().Loss(c, y, inputs.labels(t))
	if err != nil {
		t.Fatal(err)
	}
	nntest.Near(t, "loss", ag.Floats(loss), outputs.Floats(t, "loss"), abs, rel)
	if err := c.Backward(loss); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range m.Params() {
		if outputs.Has("grad." + p.Name) {
			nntest.Near(t, "grad."+p.Name, p.GradFloats(), outputs.Floats(t, "grad."+p.Name), abs, rel)
			seen++
		}
	}
	for _, name := range outputs.Names() {
		if strings.HasPrefix(name, "grad.") {
			seen--
		}
	}
	if seen != 0 {
		t.Errorf("%d recorded gradients are of no tensor of the model", -seen)
	}
}

// A Case is what a recorded file says of its model.
type Case struct {
	Config json.RawMessage
	Shapes map[string][]int // of the checkpoint
}

// Case reads it.
func (f File) Case(t *testing.T) Case {
	t.Helper()
	var c Case
	if err := json.Unmarshal([]byte(f.Metadata["case"]), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// CheckNames fails unless the model's tensors are those of the checkpoint, and
// its maps those of the names, "!" before those that all-linear leaves out.
func (c Case) CheckNames(t *testing.T, m nn.Model, linears ...string) {
	t.Helper()
	left := len(c.Shapes)
	for _, p := range m.Params() {
		if have, ok := c.Shapes[p.Name]; !ok || !slices.Equal(have, p.Shape) {
			t.Errorf("%s %v: the checkpoint has %v", p.Name, p.Shape, have)
		}
		left--
	}
	if left != 0 {
		t.Errorf("the checkpoint has %d tensors more", left)
	}
	var names []string
	for _, l := range m.Linears() {
		name := l.Name
		if l.Output {
			name = "!" + name
		}
		names = append(names, name)
	}
	if !slices.Equal(names, linears) {
		t.Errorf("the linear maps are\n%q, want\n%q", names, linears)
	}
}

// CheckConfigs reads config, which is valid, with each change: JSON keys and
// values, of which "absent" is none, and what the error, of one line, must
// hold; "": there is none.
func CheckConfigs(t *testing.T, config string, read func([]byte) error, cases [][2]string) {
	t.Helper()
	for _, c := range cases {
		text, want := c[0], c[1]
		var keys, change map[string]json.RawMessage
		for text, to := range map[string]*map[string]json.RawMessage{config: &keys, "{" + text + "}": &change} {
			if err := json.Unmarshal([]byte(text), to); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		for key, v := range change {
			if keys[key] = v; string(v) == `"absent"` {
				delete(keys, key)
			}
		}
		b, err := json.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		switch err := read(b); {
		case want == "" && err != nil:
			t.Errorf("with %s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 400):
			t.Errorf("with %s: error %v, want one with %s", text, err, want)
		}
	}
}

// Zeros is a source of zeros, for a fuzzed configuration: an error from the
// 65536th value on.
func Zeros() nn.Source {
	left := 1 << 16
	return nn.Floats(func(name string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			if n *= d; n > left {
				return nil, fmt.Errorf("%s %v is too large", name, shape)
			}
		}
		left -= n
		return make([]float32, n), nil
	})
}

// CheckInputs fails unless Check returns an error of one line that holds the
// text of each context, and Forward panics with it.
func CheckInputs(t *testing.T, m nn.Model, cases map[string]nn.Context) {
	t.Helper()
	for want, c := range cases {
		c.Tape = ag.NewTape()
		err := ag.Guard(func() { m.Forward(&c) })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Forward: error %v, want one with %q", err, want)
		}
		if err := m.Check(&c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check: error %v, want one with %q", err, want)
		}
	}
}
