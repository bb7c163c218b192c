package t5_test

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
	"github.com/lowrank/lowrank/nn/t5"
)

// testdata/record.py has recorded the models of testdata with transformers, random
// in all weights, with a padded batch, and the loss, logits, hidden states and
// gradients that it gave for them: base is of v1.0, tied, gated of v1.1, untied.

// Sums of up to 200 float32 products in another order, through four blocks.
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
	cfg                     t5.Config
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

// recorded is source, which knows what it has.
type recorded struct {
	nn.Floats
	weights *pretrained.Safetensors
}

func (r recorded) Has(name string) bool {
	_, ok := r.weights.Shape(name)
	return ok
}

func (r recording) model() *t5.Model {
	r.t.Helper()
	return buildOf(r.t, r.cfg, recorded{r.source, r.weights})
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

// context returns the recorded batch on a tape of its own, with a decoder that
// reads the labels shifted right.
func (r recording) context(m *t5.Model) *nn.Context {
	r.t.Helper()
	ids := r.ids("input_ids")
	batch := len(ids) / r.tokens
	first, end, err := nn.Padding(r.ints("attention_mask"), batch, r.tokens)
	if err != nil {
		r.t.Fatal(err)
	}
	shape, _ := r.inputs.Shape("labels")
	return &nn.Context{
		Tape: ag.NewTape(), Batch: batch, Tokens: r.tokens, IDs: ids, First: first, End: end,
		Decoder: &nn.Context{Batch: batch, Tokens: shape[1], IDs: m.ShiftRight(r.ids("labels"), shape[1])},
	}
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

// TestRecorded compares everything that was recorded, the rows of padding too:
// they see the other tokens, as in transformers.
func TestRecorded(t *testing.T) {
	for _, folder := range []string{"base", "gated"} {
		r := open(t, folder)
		t.Run(folder, func(t *testing.T) {
			atEachLevel(t, func(t *testing.T) {
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
	loss, err := m.Task().Loss(c, logits, nn.Labels{Classes: r.ids("labels")})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Backward(loss); err != nil {
		r.t.Fatal(err)
	}
	r.compare("logits", slices.Clone(ag.Floats(logits)))
	r.compare("loss", slices.Clone(ag.Floats(loss)))
	for i, x := range c.Hidden {
		r.compare(fmt.Sprintf("encoder_hidden_states.%d", i), slices.Clone(ag.Floats(x)))
	}
	for i, x := range c.Decoder.Hidden {
		r.compare(fmt.Sprintf("decoder_hidden_states.%d", i), slices.Clone(ag.Floats(x)))
	}
	for _, p := range m.Params() {
		r.compare("grad."+p.Name, slices.Clone(p.GradFloats()))
	}
	if n := 2 + len(c.Hidden) + len(c.Decoder.Hidden) + len(m.Params()); n != len(r.output.Names()) {
		r.t.Errorf("%d tensors were compared, %d are recorded", n, len(r.output.Names()))
	}
}

// TestRecordedEncoder: the encoder alone, without asking for more than its tensors.
func TestRecordedEncoder(t *testing.T) {
	r := open(t, "gated")
	r.cfg.Architecture = t5.Encoder
	atEachLevel(t, func(t *testing.T) {
		r.t = t
		m := r.model()
		c := r.context(m)
		c.Decoder = nil
		r.compare("encoder_hidden_states.2", slices.Clone(ag.Floats(m.Forward(c))))
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
	atEachLevel(t, func(t *testing.T) {
		for _, cached := range []bool{false, true} {
			over := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: r.tokens, IDs: r.ids("input_ids")[:r.tokens]}
			if got := greedy(r.model(), over, len(want), cached); !slices.Equal(got, want) {
				t.Errorf("cached %v: %v, want %v", cached, got, want)
			}
		}
	})
}
