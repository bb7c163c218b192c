package gpt2_test

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
	"github.com/lowrank/lowrank/nn/gpt2"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// testdata/record.py has recorded the models of testdata with transformers, random
// in all weights, with a batch padded on the right, and the loss, logits, hidden
// states and gradients that it gave for them.

// Sums of up to 192 float32 products in another order, through two blocks.
const abs, rel = 1e-5, 1e-4

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

// A recording is a folder of testdata.
type recording struct {
	t                       *testing.T
	cfg                     gpt2.Config
	weights, inputs, output *pretrained.Safetensors
	tokens                  int
}

func open(t *testing.T, folder string) recording {
	t.Helper()
	r := recording{t: t}
	b, err := os.ReadFile("testdata/" + folder + "/config.json")
	if err == nil {
		err = json.Unmarshal(b, &r.cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) *pretrained.Safetensors {
		s, err := pretrained.ReadSafetensors("testdata/" + folder + "/" + name + ".safetensors")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r.weights, r.inputs, r.output = read("model"), read("inputs"), read("base_outputs")
	shape, _ := r.inputs.Shape("input_ids")
	r.tokens = shape[1]
	return r
}

// source gives copies of the recorded weights.
func (r recording) source(name string, shape ...int) ([]float32, error) {
	if have, ok := r.weights.Shape(name); !ok || !slices.Equal(have, shape) {
		return nil, fmt.Errorf("%s is %v, asked for as %v", name, have, shape)
	}
	x, err := r.weights.Tensor(name)
	return slices.Clone(x.Data), err
}

func (r recording) model() *gpt2.Model {
	r.t.Helper()
	return build(r.t, r.cfg, r.source)
}

func build(t *testing.T, cfg gpt2.Config, source nn.Floats) *gpt2.Model {
	t.Helper()
	m, err := gpt2.Build(cfg, source)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (r recording) ints(name string) []int64 {
	r.t.Helper()
	v, err := r.inputs.Ints(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r recording) ids(name string) (ids []int32) {
	r.t.Helper()
	for _, id := range r.ints(name) {
		ids = append(ids, int32(id))
	}
	return ids
}

// context returns the recorded batch on a tape of its own.
func (r recording) context() *nn.Context {
	r.t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), IDs: r.ids("input_ids"), Tokens: r.tokens}
	c.Batch = len(c.IDs) / r.tokens
	var err error
	if c.First, c.End, err = nn.Padding(r.ints("attention_mask"), c.Batch, c.Tokens); err != nil {
		r.t.Fatal(err)
	}
	if _, ok := r.inputs.Shape("token_type_ids"); ok {
		c.Types = r.ids("token_type_ids")
	}
	return c
}

// compare holds a tensor against the recorded one. Of the gradients of a large
// model every seventh value is recorded.
func (r recording) compare(name string, got []float32) {
	r.t.Helper()
	x, err := r.output.Tensor(name)
	if err != nil {
		r.t.Error(err)
		return
	}
	if len(got) > len(x.Data) {
		for i := range (len(got) + 6) / 7 {
			got[i] = got[7*i]
		}
		got = got[:(len(got)+6)/7]
	}
	near(r.t, name, got, x.Data)
}

// near fails where got and want differ by more than the tolerance.
func near(t *testing.T, name string, got, want []float32) {
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

// check runs the recorded batch and compares everything that was recorded.
func (r recording) check(m *gpt2.Model, c *nn.Context, labels []int32) {
	r.t.Helper()
	m.SetTrained(true)
	logits := m.Forward(c)
	loss, err := m.Task().Loss(c, logits, nn.Labels{Classes: labels})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Backward(loss); err != nil {
		r.t.Fatal(err)
	}
	r.compare("logits", slices.Clone(ag.Floats(logits)))
	r.compare("loss", slices.Clone(ag.Floats(loss)))
	for i, x := range c.Hidden {
		if c.End == nil {
			break // the rows of padding see padding, where transformers was told of it
		}
		r.compare(fmt.Sprintf("hidden_states.%d", i), slices.Clone(ag.Floats(x)))
	}
	for _, p := range m.Params() {
		r.compare("grad."+p.Name, slices.Clone(p.Stored(p.GradFloats())))
	}
	if n := 2 + len(c.Hidden) + len(m.Params()); n != len(r.output.Names()) {
		r.t.Errorf("%d tensors were compared, %d are recorded", n, len(r.output.Names()))
	}
}

func TestRecordedLM(t *testing.T) {
	r := open(t, "lm")
	atEachLevel(t, func(t *testing.T) {
		r.t = t
		r.check(r.model(), r.context(), nn.Shift(r.ids("labels"), r.tokens))
	})
}

// TestRecordedClassifier: a classifier finds the last token by the padding's id,
// whether or not it is told of the padding: no token sees what stands behind it.
func TestRecordedClassifier(t *testing.T) {
	r := open(t, "classifier")
	atEachLevel(t, func(t *testing.T) {
		r.t = t
		r.check(r.model(), r.context(), r.ids("labels"))
		c := r.context()
		c.First, c.End = nil, nil
		r.check(r.model(), c, r.ids("labels"))
		m, c := r.model(), r.context()
		m.Config.PadTokenID = -1 // then by the padding
		r.check(m, c, r.ids("labels"))
	})
}

// greedy returns the ids with those of the largest logits behind them, up to most.
func greedy(m *gpt2.Model, ids []int32, most int, cached bool) []int32 {
	ids = slices.Clone(ids)
	var cache *nn.Cache
	if cached {
		cache = nn.NewCache(most)
	}
	for len(ids) < most {
		read := ids
		if cached {
			read = ids[cache.Len:]
		}
		c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: len(read), IDs: read, Cache: cache}
		logits := ag.Floats(m.Forward(c))
		if cached {
			cache.Next(len(read))
		}
		last := logits[len(logits)-m.Config.VocabSize:]
		ids = append(ids, int32(slices.Index(last, slices.Max(last))))
	}
	return ids
}

func TestRecordedGreedy(t *testing.T) {
	r := open(t, "lm")
	var info struct {
		Generate struct {
			Tokens []int32 `json:"base_greedy_row0"`
		}
	}
	b, err := os.ReadFile("testdata/lm/info.json")
	if err == nil {
		err = json.Unmarshal(b, &info)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := info.Generate.Tokens
	prompt := r.ids("input_ids")[:r.tokens]
	if len(want) <= len(prompt) {
		t.Fatalf("%d tokens recorded behind %d", len(want), len(prompt))
	}
	atEachLevel(t, func(t *testing.T) {
		for _, cached := range []bool{false, true} {
			if got := greedy(r.model(), prompt, len(want), cached); !slices.Equal(got, want) {
				t.Errorf("cached %v: %v, want %v", cached, got, want)
			}
		}
	})
}
