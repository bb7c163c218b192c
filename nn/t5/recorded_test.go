package t5_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/nntest"
	"github.com/lowrank/lowrank/nn/t5"
)

// testdata/record.py has recorded the models of testdata with transformers, random
// in all weights, with a padded batch, and the loss, logits, hidden states and
// gradients that it gave for them: base is of v1.0, tied, gated of v1.1, untied.

// Sums of up to 200 float32 products in another order, through four blocks.
const abs, rel = 1e-5, 1e-4

// A recording is a folder of testdata.
type recording struct {
	t                       *testing.T
	cfg                     t5.Config
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

// recorded is a source that knows what it has.
type recorded struct {
	nn.Floats
	nntest.File
}

func (r recording) model() *t5.Model {
	r.t.Helper()
	return buildOf(r.t, r.cfg, recorded{r.weights.Copy, r.weights})
}

func build(t *testing.T, cfg t5.Config, source nn.Floats) *t5.Model {
	t.Helper()
	return buildOf(t, cfg, source)
}

func buildOf(t *testing.T, cfg t5.Config, source nn.Source) *t5.Model {
	t.Helper()
	m, err := t5.Build(cfg, source)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// context returns the recorded batch on a tape of its own, with a decoder that
// reads the labels shifted right.
func (r recording) context(m *t5.Model) *nn.Context {
	r.t.Helper()
	ids := r.inputs.Int32s(r.t, "input_ids")
	batch := len(ids) / r.tokens
	first, end, err := nn.Padding(r.inputs.Int64s(r.t, "attention_mask"), batch, r.tokens)
	if err != nil {
		r.t.Fatal(err)
	}
	shape, _ := r.inputs.Shape("labels")
	return &nn.Context{
		Tape: ag.NewTape(), Batch: batch, Tokens: r.tokens, IDs: ids, First: first, End: end,
		Decoder: &nn.Context{Batch: batch, Tokens: shape[1], IDs: m.ShiftRight(r.inputs.Int32s(r.t, "labels"), shape[1])},
	}
}

func (r recording) compare(name string, got []float32) {
	r.t.Helper()
	r.output.Near(r.t, name, got, abs, rel)
}

// TestRecorded compares everything that was recorded, the rows of padding too:
// they see the other tokens, as in transformers.
func TestRecorded(t *testing.T) {
	for _, folder := range []string{"base", "gated"} {
		r := open(t, folder)
		t.Run(folder, func(t *testing.T) {
			nntest.AtEachLevel(t, func(t *testing.T) {
				r.t = t
				r.check()
			})
		})
	}
}

func (r recording) check() {
	r.t.Helper()
	m := r.model()
	m.SetTrained(true)
	c := r.context(m)
	logits := m.Forward(c)
	loss, err := m.Task().Loss(c, logits, nn.Labels{Classes: r.inputs.Int32s(r.t, "labels")})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Backward(loss); err != nil {
		r.t.Fatal(err)
	}
	r.compare("logits", ag.Floats(logits))
	r.compare("loss", ag.Floats(loss))
	for i, x := range c.Hidden {
		r.compare(fmt.Sprintf("encoder_hidden_states.%d", i), ag.Floats(x))
	}
	for i, x := range c.Decoder.Hidden {
		r.compare(fmt.Sprintf("decoder_hidden_states.%d", i), ag.Floats(x))
	}
	for _, p := range m.Params() {
		r.compare("grad."+p.Name, p.GradFloats())
	}
	if n := 2 + len(c.Hidden) + len(c.Decoder.Hidden) + len(m.Params()); n != len(r.output.Names()) {
		r.t.Errorf("%d tensors were compared, %d are recorded", n, len(r.output.Names()))
	}
}

// TestRecordedEncoder: the encoder alone, without asking for more than its tensors.
func TestRecordedEncoder(t *testing.T) {
	r := open(t, "gated")
	r.cfg.Architecture = t5.Encoder
	nntest.AtEachLevel(t, func(t *testing.T) {
		r.t = t
		m := r.model()
		c := r.context(m)
		c.Decoder = nil
		r.compare("encoder_hidden_states.2", ag.Floats(m.Forward(c)))
		if n := 1 + 2*(2+4+3) + 2; len(m.Params()) != n || m.Task() != nn.Features {
			t.Errorf("%d tensors, want %d; task %q", len(m.Params()), n, m.Task())
		}
	})
}

// greedy returns the tokens that follow the start token where each has the largest
// logit, most in all; the encoder runs once.
func greedy(m *t5.Model, over *nn.Context, most int, cached bool) []int32 {
	encoded := m.Encode(over)
	ids := []int32{int32(m.Config.DecoderStartTokenID)}
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
		logits := ag.Floats(m.Decode(c, encoded, over))
		if cached {
			cache.Next(len(read))
		}
		last := logits[len(logits)-m.Config.VocabSize:]
		ids = append(ids, int32(slices.Index(last, slices.Max(last))))
	}
	return ids
}

func TestRecordedGreedy(t *testing.T) {
	r := open(t, "base")
	var info struct {
		Generate struct {
			Tokens []int32 `json:"base_greedy_row0"`
		}
	}
	b, err := os.ReadFile("testdata/base/info.json")
	if err == nil {
		err = json.Unmarshal(b, &info)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := info.Generate.Tokens
	if len(want) < 2 {
		t.Fatalf("%d tokens recorded", len(want))
	}
	nntest.AtEachLevel(t, func(t *testing.T) {
		for _, cached := range []bool{false, true} {
			over := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: r.tokens, IDs: r.inputs.Int32s(r.t, "input_ids")[:r.tokens]}
			if got := greedy(r.model(), over, len(want), cached); !slices.Equal(got, want) {
				t.Errorf("cached %v: %v, want %v", cached, got, want)
			}
		}
	})
}
