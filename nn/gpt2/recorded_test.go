package gpt2_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/gpt2"
	"github.com/lowrank/lowrank/nn/nntest"
)

// testdata/record.py has recorded the models of testdata with transformers, random
// in all weights, with a batch padded on the right, and the loss, logits, hidden
// states and gradients that it gave for them.

// Sums of up to 192 float32 products in another order, through two blocks.
const abs, rel = 1e-5, 1e-4

// A recording is a folder of testdata.
type recording struct {
	t                       *testing.T
	cfg                     gpt2.Config
	weights, inputs, output nntest.File
	tokens                  int
}

func open(t *testing.T, folder string) recording {
	t.Helper()
	r := recording{t: t}
	dir := "testdata/" + folder + "/"
	nntest.Config(t, dir+"config.json", &r.cfg)
	r.weights, r.inputs, r.output = nntest.Open(t, dir+"model.safetensors"), nntest.Open(t, dir+"inputs.safetensors"), nntest.Open(t, dir+"base_outputs.safetensors")
	shape, _ := r.inputs.Shape("input_ids")
	r.tokens = shape[1]
	return r
}

func (r recording) model() *gpt2.Model {
	r.t.Helper()
	return build(r.t, r.cfg, r.weights.Copy)
}

func build(t *testing.T, cfg gpt2.Config, source nn.Floats) *gpt2.Model {
	t.Helper()
	m, err := gpt2.Build(cfg, source)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// context returns the recorded batch on a tape of its own.
func (r recording) context() *nn.Context {
	r.t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), IDs: r.inputs.Int32s(r.t, "input_ids"), Tokens: r.tokens}
	c.Batch = len(c.IDs) / r.tokens
	var err error
	if c.First, c.End, err = nn.Padding(r.inputs.Int64s(r.t, "attention_mask"), c.Batch, c.Tokens); err != nil {
		r.t.Fatal(err)
	}
	if r.inputs.Has("token_type_ids") {
		c.Types = r.inputs.Int32s(r.t, "token_type_ids")
	}
	return c
}

func (r recording) compare(name string, got []float32) {
	r.t.Helper()
	r.output.Near(r.t, name, got, abs, rel)
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
	r.compare("logits", ag.Floats(logits))
	r.compare("loss", ag.Floats(loss))
	for i, x := range c.Hidden {
		if c.End == nil {
			break // the rows of padding see padding, where transformers was told of it
		}
		r.compare(fmt.Sprintf("hidden_states.%d", i), ag.Floats(x))
	}
	for _, p := range m.Params() {
		r.compare("grad."+p.Name, p.Stored(p.GradFloats()))
	}
	if n := 2 + len(c.Hidden) + len(m.Params()); n != len(r.output.Names()) {
		r.t.Errorf("%d tensors were compared, %d are recorded", n, len(r.output.Names()))
	}
}

func TestRecordedLM(t *testing.T) {
	r := open(t, "lm")
	nntest.AtEachLevel(t, func(t *testing.T) {
		r.t = t
		r.check(r.model(), r.context(), nn.Shift(r.inputs.Int32s(r.t, "labels"), r.tokens))
	})
}

// TestRecordedClassifier: a classifier finds the last token by the padding's id,
// whether or not it is told of the padding: no token sees what stands behind it.
func TestRecordedClassifier(t *testing.T) {
	r := open(t, "classifier")
	nntest.AtEachLevel(t, func(t *testing.T) {
		r.t = t
		r.check(r.model(), r.context(), r.inputs.Int32s(r.t, "labels"))
		c := r.context()
		c.First, c.End = nil, nil
		r.check(r.model(), c, r.inputs.Int32s(r.t, "labels"))
		m, c := r.model(), r.context()
		m.Config.PadTokenID = -1 // then by the padding
		r.check(m, c, r.inputs.Int32s(r.t, "labels"))
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
	prompt := r.inputs.Int32s(r.t, "input_ids")[:r.tokens]
	if len(want) <= len(prompt) {
		t.Fatalf("%d tokens recorded behind %d", len(want), len(prompt))
	}
	nntest.AtEachLevel(t, func(t *testing.T) {
		for _, cached := range []bool{false, true} {
			if got := greedy(r.model(), prompt, len(want), cached); !slices.Equal(got, want) {
				t.Errorf("cached %v: %v, want %v", cached, got, want)
			}
		}
	})
}
