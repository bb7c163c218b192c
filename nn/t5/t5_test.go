package t5_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/nntest"
	"github.com/lowrank/lowrank/nn/t5"
)

// tiny has odd sizes, so that no width is a multiple of a vector's, and few
// buckets, so that short sequences reach them all.
var tiny = t5.Config{
	Architecture: t5.Generation, VocabSize: 19, DModel: 11, DKV: 3, DFF: 7, NumLayers: 1, NumDecoderLayers: 2, NumHeads: 3,
	RelativeAttentionNumBuckets: 6, RelativeAttentionMaxDistance: 5, LayerNormEpsilon: 1e-6, Activation: "relu",
	ScaleDecoderOutputs: true, TieWordEmbeddings: true, PadTokenID: 1, DecoderStartTokenID: 2,
}

// random gives values that depend on the name and the place alone.
func random(name string, shape ...int) ([]float32, error) {
	n, seed := 1, uint64(0)
	for _, d := range shape {
		n *= d
	}
	for _, r := range name {
		seed = 31*seed + uint64(r)
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(0.4 * rng.NormFloat64())
	}
	return x, nil
}

func batch(ids ...[]int32) *nn.Context {
	return &nn.Context{Tape: ag.NewTape(), Batch: len(ids), Tokens: len(ids[0]), IDs: slices.Concat(ids...)}
}

// pair is a batch with a decoder's, which has no tape yet.
func pair(encoder, decoder []int32) *nn.Context {
	c := batch(encoder)
	c.Decoder = batch(decoder)
	c.Decoder.Tape = nil
	return c
}

func TestTensors(t *testing.T) {
	for _, folder := range []string{"base", "gated"} {
		r := open(t, folder)
		m := r.model()
		var names []string
		for _, p := range m.Params() {
			names = append(names, p.Name)
			if p.Transposed || p.RequiresGrad() {
				t.Errorf("%s: transposed %v, trained %v", p.Name, p.Transposed, p.RequiresGrad())
			}
		}
		if a, b := slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(r.weights.Names())); !slices.Equal(a, b) {
			t.Errorf("tensors %v, the checkpoint has %v", a, b)
		}
		for _, l := range m.Linears() {
			table := l.Name == "shared" || strings.HasSuffix(l.Name, ".embed_tokens") || strings.HasSuffix(l.Name, "relative_attention_bias")
			if (l.Kind == nn.Table) != table || l.Output != (l == m.Head) || l.FanInFanOut {
				t.Errorf("%s: kind %v, output %v", l.Name, l.Kind, l.Output)
			}
		}
		ls := m.Linears()
		if n := len(ls); ls[0].Name != "shared" || ls[n-1].Name != "lm_head" || (m.Head.Tied == m.Shared.Linear) != (folder == "base") {
			t.Errorf("the first map is %s, the last %s, tied to %v", ls[0].Name, ls[n-1].Name, m.Head.Tied)
		}
	}
}

func TestShiftRight(t *testing.T) {
	m := build(t, tiny, random)
	got := m.ShiftRight([]int32{5, 6, -100, 7, -1, 8, 9, 10}, 4)
	if want := []int32{2, 5, 6, 1, 2, 1, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestTied: of models that agree in all else, the one whose outputs are scaled has
// the other's logits over √C, with and without a head of its own.
func TestTied(t *testing.T) {
	var logits [][]float32
	for _, c := range []struct{ tied, scaled bool }{{true, true}, {false, true}, {true, false}} {
		cfg := tiny
		cfg.TieWordEmbeddings, cfg.ScaleDecoderOutputs = c.tied, c.scaled
		m := build(t, cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
			if name == "lm_head.weight" {
				name = "shared.weight"
			}
			return random(name, shape...)
		}))
		logits = append(logits, ag.Floats(m.Forward(pair([]int32{3, 1, 4}, []int32{2, 15}))))
	}
	nntest.Near(t, "untied", logits[1], logits[0], abs, rel)
	for i := range logits[2] {
		logits[2][i] *= 0.30151134 // 1/√11
	}
	nntest.Near(t, "unscaled", logits[2], logits[0], abs, rel)
}

// TestAdaptedBias: the table of distances is looked up, so that an adapter of it
// has its effect.
func TestAdaptedBias(t *testing.T) {
	forward := func(change func(*nn.Linear)) []float32 {
		m := build(t, tiny, random)
		change(m.Decoder.Bias.Linear)
		return ag.Floats(m.Forward(pair([]int32{3, 1, 4}, []int32{2, 15, 6})))
	}
	want := forward(func(l *nn.Linear) {
		for i := range l.W.Floats() {
			l.W.Floats()[i] *= 2
		}
	})
	got := forward(func(l *nn.Linear) { l.Adapter = double{l} })
	nntest.Near(t, "logits", got, want, abs, rel)
	if slices.Equal(got, forward(func(*nn.Linear) {})) {
		t.Error("the adapter has no effect")
	}
}

// double computes twice its table.
type double struct{ l *nn.Linear }

func (d double) Forward(*nn.Context, ag.Tensor) ag.Tensor { panic("a table has ids") }
func (d double) Lookup(c *nn.Context, ids []int32) ag.Tensor {
	return c.Run(ag.NewScale(c.Run(ag.NewEmbedding(d.l.W, ids)), 2))
}

// TestReplay: a graph that runs again on other ids and padding is a new graph on
// them.
func TestReplay(t *testing.T) {
	m := build(t, tiny, random)
	c := pair([]int32{3, 1, 4, 1, 5}, []int32{2, 7, 1})
	c.First, c.End = []int{0}, []int{5}
	y := m.Forward(c)
	if c.Decoder.Tape != c.Tape {
		t.Error("the decoder has no tape")
	}
	next := pair([]int32{0, 9, 2, 6, 0}, []int32{2, 8, 18})
	next.First, next.End = []int{1}, []int{4}
	copy(c.IDs, next.IDs)
	copy(c.Decoder.IDs, next.Decoder.IDs)
	c.First[0], c.End[0] = 1, 4
	c.Replay()
	nntest.Near(t, "replayed", ag.Floats(y), ag.Floats(m.Forward(next)), abs, rel)
}

// TestCache: a decoder that reads its tokens in pieces gives the logits that it
// gives for them as a whole, beyond the largest distance.
func TestCache(t *testing.T) {
	m := build(t, tiny, random)
	ids := []int32{2, 8, 15, 16, 4, 0, 2, 3, 1, 13}
	over := batch([]int32{6, 12, 18})
	encoded := m.Encode(over)
	want := ag.Floats(m.Decode(batch(ids), encoded, over))
	cache := nn.NewCache(len(ids))
	var got []float32
	for _, n := range []int{3, 1, 4, 1, 1} {
		c := batch(ids[cache.Len:][:n])
		c.Cache = cache
		got = append(got, ag.Floats(m.Decode(c, encoded, over))...)
		cache.Next(n)
	}
	nntest.Near(t, "logits", got, want, abs, rel)
}

// TestPadding: padding of the encoder's sequences, on either side, changes nothing.
func TestPadding(t *testing.T) {
	m := build(t, tiny, random)
	want := ag.Floats(m.Forward(pair([]int32{3, 1, 4}, []int32{2, 15, 6})))
	c := pair([]int32{9, 9, 3, 1, 4, 7}, []int32{2, 15, 6})
	c.First, c.End = []int{2}, []int{5}
	nntest.Near(t, "logits", ag.Floats(m.Forward(c)), want, abs, rel)
}

func TestClone(t *testing.T) {
	m := build(t, tiny, random)
	c := m.Clone()
	for i, p := range c.Params() {
		q := m.Params()[i]
		if p.Name != q.Name || &p.Floats()[0] == &q.Floats()[0] || !slices.Equal(p.Floats(), q.Floats()) {
			t.Errorf("%s: the clone has another %s, or the same memory", q.Name, p.Name)
		}
	}
}

// TestErrors: what does not fit is an error of one line, not a crash.
func TestErrors(t *testing.T) {
	m := build(t, tiny, random)
	two := batch([]int32{1, 2}, []int32{3, 4})
	two.Decoder = batch([]int32{1})
	two.Decoder.Tape = nil
	own := pair([]int32{1}, []int32{2})
	own.Decoder.Tape = ag.NewTape()
	cached := pair([]int32{1}, []int32{2})
	cached.Cache = nn.NewCache(4)
	first := pair([]int32{1}, []int32{2})
	first.First = []int{2}
	for _, c := range []struct {
		c    *nn.Context
		want string
	}{
		{batch([]int32{1}), "no Decoder"},
		{pair([]int32{19}, []int32{1}), "token id 19"},
		{pair([]int32{1}, []int32{-100}), "decoder: token id -100"},
		{two, "decoder: 1 sequences, the encoder has 2"},
		{own, "tape of its own"},
		{cached, "cache"},
		{first, "First[0] = 2"},
		{&nn.Context{}, "0 token ids"},
	} {
		err := ag.Guard(func() { m.Forward(c.c) })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}

	cfg := tiny
	cfg.Architecture = t5.Encoder
	m = build(t, cfg, random)
	c := batch([]int32{1})
	if err := ag.Guard(func() { m.Decode(c, m.Encode(c), c) }); err == nil || !strings.Contains(err.Error(), "no decoder") {
		t.Errorf("Decode without a decoder: %v", err)
	}
	for _, cfg := range []t5.Config{{}, {Architecture: t5.Generation}} {
		if _, err := t5.Build(cfg, nn.Floats(random)); err == nil {
			t.Errorf("Build takes %+v", cfg)
		}
	}
	missing := fmt.Errorf("no such tensor")
	if _, err := t5.Build(tiny, nn.Floats(func(string, ...int) ([]float32, error) { return nil, missing })); err != missing {
		t.Errorf("Build without tensors: %v", err)
	}
}
