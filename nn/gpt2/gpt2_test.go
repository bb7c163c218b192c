package gpt2_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/gpt2"
	"github.com/lowrank/lowrank/nn/nntest"
)

// tiny has odd sizes, so that no width is a multiple of a vector's.
var tiny = gpt2.Config{
	Architecture: gpt2.LMHead, VocabSize: 23, NPositions: 9, NEmbd: 12, NLayer: 2, NHead: 3, NInner: 17,
	ActivationFunction: "gelu_new", LayerNormEpsilon: 1e-5, ScaleAttnWeights: true, TieWordEmbeddings: true, PadTokenID: -1,
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

func TestTensors(t *testing.T) {
	r := open(t, "lm")
	m := r.model()
	var names []string
	for _, p := range m.Params() {
		names = append(names, p.Name)
		if block := strings.Contains(p.Name, ".c_") && strings.HasSuffix(p.Name, "weight"); p.Transposed != block || p.RequiresGrad() {
			t.Errorf("%s: transposed %v, trained %v", p.Name, p.Transposed, p.RequiresGrad())
		}
	}
	slices.Sort(names)
	if want := r.weights.Names(); !slices.Equal(names, slices.Sorted(slices.Values(want))) {
		t.Errorf("tensors %v, the checkpoint has %v", names, want)
	}

	want := []string{"transformer.wte", "transformer.wpe"}
	for i := range 2 {
		for _, name := range []string{"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"} {
			want = append(want, fmt.Sprintf("transformer.h.%d.%s", i, name))
		}
	}
	var maps []string
	for _, l := range m.Linears() {
		maps = append(maps, l.Name)
		if l.FanInFanOut != strings.Contains(l.Name, ".c_") || l.Output != (l == m.Head) {
			t.Errorf("%s: fan in fan out %v, output %v", l.Name, l.FanInFanOut, l.Output)
		}
	}
	if !slices.Equal(maps, append(want, "lm_head")) {
		t.Errorf("linear maps %v", maps)
	}
	if m.Head.Tied != m.Tokens.Linear || m.Head.W != m.Tokens.W {
		t.Error("the head is not the table")
	}
}

// TestUntied: a head of its own with the table's values gives the same logits, and
// takes its share of the table's gradient.
func TestUntied(t *testing.T) {
	tied := build(t, tiny, random)
	cfg := tiny
	cfg.TieWordEmbeddings = false
	untied := build(t, cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		if name == "lm_head.weight" {
			name = "transformer.wte.weight"
		}
		return random(name, shape...)
	}))
	if !untied.Head.Output || untied.Head.Tied != nil || len(untied.Params()) != len(tied.Params())+1 {
		t.Errorf("output %v, tied to %v, %d tensors", untied.Head.Output, untied.Head.Tied, len(untied.Params()))
	}
	var logits [2]ag.Tensor
	for i, m := range []*gpt2.Model{tied, untied} {
		m.SetTrained(true)
		c := batch([]int32{1, 5, 22}, []int32{0, 1, 7})
		logits[i] = m.Forward(c)
		if err := c.Backward(c.Run(ag.NewCrossEntropy(logits[i], []int32{5, 22, -1, 1, 7, -1}))); err != nil {
			t.Fatal(err)
		}
	}
	nntest.Near(t, "logits", ag.Floats(logits[1]), ag.Floats(logits[0]), abs, rel)
	sum := slices.Clone(untied.Tokens.W.GradFloats())
	for i, g := range untied.Head.W.GradFloats() {
		sum[i] += g
	}
	nntest.Near(t, "gradient", sum, tied.Tokens.W.GradFloats(), abs, rel)
}

// TestBase: the base model is the language model below its head, under names
// without the prefix.
func TestBase(t *testing.T) {
	cfg := tiny
	cfg.Architecture = gpt2.Base
	base := build(t, cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) { return random("transformer."+name, shape...) }))
	lm := build(t, tiny, random)
	a, b := batch([]int32{3, 1, 4}), batch([]int32{3, 1, 4})
	y := base.Forward(a)
	lm.Forward(b)
	nntest.Near(t, "features", ag.Floats(y), ag.Floats(b.Hidden[2]), abs, rel)
	if base.Task() != nn.Features || lm.Task() != nn.NextToken || base.Head != nil {
		t.Errorf("tasks %q, %q, head %v", base.Task(), lm.Task(), base.Head)
	}
}

// TestScale: scores that are not divided by √d = 2 are those of queries half as
// large, and a block's number divides them further.
func TestScale(t *testing.T) {
	forward := func(cfg gpt2.Config, divide func(block int) float32) []float32 {
		m := build(t, cfg, random)
		for i, b := range m.Blocks {
			w, bias := b.Attention.QKV.W.Floats(), b.Attention.QKV.Bias.Floats()
			for j := range cfg.NEmbd {
				bias[j] /= divide(i)
			}
			for j := range cfg.NEmbd * cfg.NEmbd {
				w[j] /= divide(i)
			}
		}
		return ag.Floats(m.Forward(batch([]int32{3, 1, 4, 1})))
	}
	one := func(int) float32 { return 1 }
	cfg := tiny
	want := forward(cfg, one)
	cfg.ScaleAttnWeights = false
	nntest.Near(t, "unscaled", forward(cfg, func(int) float32 { return 2 }), want, abs, rel)
	cfg.ScaleAttnByInverseLayerIdx = true
	nntest.Near(t, "by number", forward(cfg, func(i int) float32 { return 2 / float32(i+1) }), want, abs, rel)
}

// TestReplay: a graph that runs again on other ids and types is a new graph on
// them, up to which row is the last.
func TestReplay(t *testing.T) {
	cfg := tiny
	cfg.Architecture, cfg.NumLabels, cfg.Problem, cfg.PadTokenID = gpt2.Classifier, 2, nn.Classification, 9
	m := build(t, cfg, random)
	if m.Task() != nn.Classification || !m.Head.Output || m.Head.Bias != nil {
		t.Errorf("task %q, output %v, bias %v", m.Task(), m.Head.Output, m.Head.Bias)
	}
	c := batch([]int32{1, 2, 9, 9}, []int32{9, 9, 9, 9})
	c.Types = []int32{0, 1, 0, 1, 2, 0, 0, 0}
	y := m.Forward(c)
	next := batch([]int32{3, 9, 4, 9}, []int32{9, 9, 5, 6})
	next.Types = []int32{1, 1, 4, 1, 2, 3, 0, 1}
	copy(c.IDs, next.IDs)
	copy(c.Types, next.Types)
	c.Replay()
	nntest.Near(t, "replayed", ag.Floats(y), ag.Floats(m.Forward(next)), abs, rel)
}

// TestCache: a sequence read in pieces gives the logits that it gives as a whole.
func TestCache(t *testing.T) {
	m := build(t, tiny, random)
	ids := []int32{4, 8, 15, 16, 22, 0, 2, 3, 1}
	want := ag.Floats(m.Forward(batch(ids)))
	cache := nn.NewCache(len(ids))
	var got []float32
	for _, n := range []int{4, 1, 3, 1} {
		c := batch(ids[cache.Len:][:n])
		c.Cache = cache
		got = append(got, ag.Floats(m.Forward(c))...)
		cache.Next(n)
	}
	nntest.Near(t, "logits", got, want, abs, rel)
	c := batch(ids[:1])
	c.Cache = cache
	if err := m.Check(c); err == nil {
		t.Error("Check takes a tenth token of nine")
	}
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
	long := batch(make([]int32, 10))
	types, end := batch([]int32{1, 2}), batch([]int32{1, 2})
	types.Types = []int32{0, 23}
	end.End = []int{3}
	for _, c := range []struct {
		c    *nn.Context
		want string
	}{
		{batch([]int32{1, 23}), "token id 23"},
		{batch([]int32{1, -1}), "token id -1"},
		{long, "10 tokens"},
		{types, "token type 23"},
		{end, "End[0] = 3"},
		{&nn.Context{}, "0 token ids"},
	} {
		err := ag.Guard(func() { m.Forward(c.c) })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	for _, cfg := range []gpt2.Config{{}, {Architecture: gpt2.LMHead}} {
		if _, err := gpt2.Build(cfg, nn.Floats(random)); err == nil {
			t.Errorf("Build takes %+v", cfg)
		}
	}
	missing := fmt.Errorf("no such tensor")
	if _, err := gpt2.Build(tiny, nn.Floats(func(string, ...int) ([]float32, error) { return nil, missing })); err != missing {
		t.Errorf("Build without tensors: %v", err)
	}
}
