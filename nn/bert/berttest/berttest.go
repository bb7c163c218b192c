// Package berttest holds a model of BERT's kin to what transformers recorded of
// it (testdata/record.py of package bert).
package berttest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
)

// A File is a file of tensors.
type File struct {
	Names    []string
	Metadata map[string]string
	Shape    func(name string) ([]int, bool)
	Floats   func(name string) ([]float32, error)
	Ints     func(name string) ([]int64, error)
}

// has reports whether there is such a tensor.
func (f *File) has(name string) bool { return slices.Contains(f.Names, name) }

func (f *File) floats(t *testing.T, name string) []float32 {
	t.Helper()
	v, err := f.Floats(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (f *File) ints(t *testing.T, name string) []int64 {
	t.Helper()
	v, err := f.Ints(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Source gives copies of a file's tensors, of which some names lack the prefix,
// and of those that are too large the first rows.
func (f *File) Source(prefix string) nn.Source {
	return nn.Floats(func(name string, shape ...int) ([]float32, error) {
		if !f.has(name) {
			name = strings.TrimPrefix(name, prefix)
		}
		v, err := f.Floats(name)
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
		return slices.Clone(v[:n]), nil
	})
}

// AtEachLevel runs f at every SIMD level of this machine.
func AtEachLevel(t *testing.T, f func(t *testing.T)) {
	before := kernels.Active()
	defer kernels.SetLevel(before)
	for _, level := range kernels.Levels() {
		if err := kernels.SetLevel(level); err != nil {
			t.Fatal(err)
		}
		t.Run(level.String(), f)
	}
}

// near fails where got and want differ by more than 1e-5 + 1e-4·|want|: sums of
// up to some 200 float32 products in another order, through two blocks.
func near(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	worst, at := 1.0, -1
	for i := range got {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if over := d / (1e-5 + 1e-4*math.Abs(float64(want[i]))); !(over <= worst) {
			worst, at = over, i
		}
	}
	if at >= 0 {
		t.Errorf("%s[%d] = %g, want %g: %.1f times the tolerance", name, at, got[at], want[at], worst)
	}
}

// EqualBits fails where got and want differ at all.
func EqualBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
		t.Errorf("%s: %v, want %v bit for bit", name, got, want)
	}
}

// Inputs reads a batch.
func (f *File) Inputs(t *testing.T) *nn.Context {
	t.Helper()
	shape, ok := f.Shape("input_ids")
	if !ok {
		t.Fatal("no input_ids")
	}
	c := &nn.Context{Tape: ag.NewTape(), Batch: shape[0], Tokens: shape[1], IDs: int32s(f.ints(t, "input_ids"))}
	var err error
	if c.First, c.End, err = nn.Padding(f.ints(t, "attention_mask"), c.Batch, c.Tokens); err != nil {
		t.Fatal(err)
	}
	if f.has("token_type_ids") {
		c.Types = int32s(f.ints(t, "token_type_ids"))
	}
	return c
}

func int32s(v []int64) []int32 {
	w := make([]int32, len(v))
	for i, x := range v {
		w[i] = int32(x)
	}
	return w
}

// labels reads the labels of the batch.
func (f *File) labels(t *testing.T) nn.Labels {
	if v, err := f.Ints("labels"); err == nil {
		return nn.Labels{Classes: int32s(v)}
	}
	return nn.Labels{Values: f.floats(t, "labels")}
}

// Forward builds the outputs.
func Forward(t *testing.T, m nn.Model, c *nn.Context) ag.Tensor {
	t.Helper()
	var y ag.Tensor
	if err := ag.Guard(func() { y = m.Forward(c) }); err != nil {
		t.Fatal(err)
	}
	return y
}

// A Trainable can be trained in all its tensors.
type Trainable interface {
	nn.Model
	SetTrained(bool)
}

// Check compares outputs, hidden states, loss and gradients with the recorded
// ones, and with themselves where the model is frozen, copied, or its graph was
// built on other inputs.
func Check(t *testing.T, inputs, outputs *File, m Trainable) {
	t.Helper()
	frozen := ag.Floats(Forward(t, m, inputs.Inputs(t)))
	EqualBits(t, "outputs of a clone", ag.Floats(Forward(t, m.Clone(), inputs.Inputs(t))), frozen)

	m.SetTrained(true)
	c := inputs.Inputs(t)
	y := Forward(t, m, c)
	near(t, "outputs", ag.Floats(y), outputs.floats(t, "logits"))
	EqualBits(t, "outputs trained", ag.Floats(y), frozen)
	for i, h := range c.Hidden {
		name := fmt.Sprintf("hidden_states.%d", i)
		near(t, name, ag.Floats(h), outputs.floats(t, name))
	}
	if outputs.has(fmt.Sprintf("hidden_states.%d", len(c.Hidden))) {
		t.Errorf("only %d hidden states", len(c.Hidden))
	}
	if inputs.has("labels") {
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
	y = Forward(t, m, other)
	copy(other.IDs, want.IDs)
	copy(other.Types, want.Types)
	copy(other.First, want.First)
	copy(other.End, want.End)
	if err := m.Check(other); err != nil {
		t.Error(err)
	}
	other.Replay()
	EqualBits(t, "outputs replayed", ag.Floats(y), frozen)
}

func checkLoss(t *testing.T, inputs, outputs *File, m nn.Model, c *nn.Context, y ag.Tensor) {
	t.Helper()
	loss, err := m.Task().Loss(c, y, inputs.labels(t))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "loss", ag.Floats(loss), outputs.floats(t, "loss"))
	if err := c.Backward(loss); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range m.Params() {
		if outputs.has("grad." + p.Name) {
			near(t, "grad."+p.Name, p.GradFloats(), outputs.floats(t, "grad."+p.Name))
			seen++
		}
	}
	for _, name := range outputs.Names {
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
func (f *File) Case(t *testing.T) Case {
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
