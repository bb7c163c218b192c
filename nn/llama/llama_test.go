package llama_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/nntest"
)

// tiny has odd sizes, so that no width is a multiple of a vector's.
var tiny = llama.Config{
	HiddenSize: 18, IntermediateSize: 37, NumHiddenLayers: 2,
	NumAttentionHeads: 3, NumKeyValueHeads: 1, HeadDim: 10,
	RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 67, MaxPositionEmbeddings: 32,
}

func newModel(t *testing.T, cfg llama.Config, seed uint64) *llama.Model {
	t.Helper()
	m, err := llama.New(cfg, seed)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func randomIDs(n, vocab int) []int32 {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(int32(vocab))
	}
	return ids
}

// TestBatchIndependence: a sequence's logits do not depend on the others of
// its batch, nor a position's on those after it.
func TestBatchIndependence(t *testing.T) {
	const tokens = 13
	ids := randomIDs(16*tokens, tiny.VocabSize)
	nntest.AtEachLevel(t, func(t *testing.T) {
		m := newModel(t, tiny, 3)
		_, all := forward(t, m, 16, ids)
		for b := range 16 {
			seq := ids[b*tokens : (b+1)*tokens]
			rows := ag.Floats(all)[b*tokens*tiny.VocabSize : (b+1)*tokens*tiny.VocabSize]
			_, one := forward(t, m, 1, seq)
			nntest.EqualBits(t, fmt.Sprintf("sequence %d alone", b), ag.Floats(one), rows)
			_, short := forward(t, m, 1, seq[:5])
			nntest.EqualBits(t, fmt.Sprintf("its first 5 tokens, %d", b), ag.Floats(short), rows[:5*tiny.VocabSize])
		}
	})
}

// TestLevels: every level gives the logits of plain Go, within rounding.
func TestLevels(t *testing.T) {
	defer kernels.SetLevel(kernels.Active())
	m, ids := load(t), randomIDs(60, 200)
	if err := kernels.SetLevel(kernels.Generic); err != nil {
		t.Fatal(err)
	}
	_, want := forward(t, m, 2, ids)
	nntest.AtEachLevel(t, func(t *testing.T) {
		_, got := forward(t, load(t), 2, ids)
		nntest.Near(t, "logits", ag.Floats(got), ag.Floats(want), 2e-6, 2e-5) // as TestRecorded
	})
}

// TestFrozen: the packed products of a frozen model give a trained one's
// logits, and a frozen model takes no gradient.
func TestFrozen(t *testing.T) {
	ids := randomIDs(14, tiny.VocabSize)
	nntest.AtEachLevel(t, func(t *testing.T) {
		m := newModel(t, tiny, 4)
		_, frozen := forward(t, m, 2, ids)
		if frozen.RequiresGrad() {
			t.Error("a new model's logits require a gradient")
		}
		m.SetTrained(true)
		c, trained := forward(t, m, 2, ids)
		nntest.EqualBits(t, "trained logits", ag.Floats(trained), ag.Floats(frozen))

		loss := c.Run(ag.NewCrossEntropy(trained, ids))
		if err := c.Backward(loss); err != nil {
			t.Fatal(err)
		}
		for _, p := range m.Params() {
			for i, g := range p.GradFloats() {
				p.Floats()[i] -= 0.5 * g
			}
		}
		c.Replay()
		after := append([]float32(nil), ag.Floats(trained)...)
		m.SetTrained(false) // must not use what was packed before the step
		_, frozen = forward(t, m, 2, ids)
		nntest.EqualBits(t, "logits frozen after a step", ag.Floats(frozen), after)
	})
}

// TestReplay: a graph run again on new ids is a new graph on them.
func TestReplay(t *testing.T) {
	m := newModel(t, tiny, 5)
	ids := randomIDs(20, tiny.VocabSize)
	c, logits := forward(t, m, 2, append([]int32(nil), ids...))
	for i := range ids {
		ids[i] = (ids[i] + 11) % int32(tiny.VocabSize)
	}
	copy(c.IDs, ids)
	c.Replay()
	_, fresh := forward(t, m, 2, ids)
	nntest.EqualBits(t, "replayed logits", ag.Floats(logits), ag.Floats(fresh))
}

// TestTied: the gradient of a tied table is the sum of the table's and the
// head's of an untied model with equal values.
func TestTied(t *testing.T) {
	cfg := tiny
	cfg.TieWordEmbeddings = true
	tied := newModel(t, cfg, 6)
	untied, err := llama.Build(tiny, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		if name == "lm_head.weight" {
			name = "model.embed_tokens.weight"
		}
		for _, p := range tied.Params() {
			if p.Name == name {
				return append([]float32(nil), p.Floats()...), nil
			}
		}
		return nil, fmt.Errorf("no %s", name)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := len(tied.Params()), len(untied.Params()); a != b-1 {
		t.Errorf("%d tensors tied, %d untied: must be one fewer", a, b)
	}
	ids := randomIDs(20, tiny.VocabSize)
	for _, m := range []*llama.Model{tied, untied} {
		m.SetTrained(true)
		c, logits := forward(t, m, 2, ids)
		if err := c.Backward(c.Run(ag.NewCrossEntropy(logits, ids))); err != nil {
			t.Fatal(err)
		}
	}
	want := append([]float32(nil), untied.Embed.W.GradFloats()...)
	for i, g := range untied.Head.W.GradFloats() {
		want[i] += g
	}
	nntest.Near(t, "tied gradient", tied.Embed.W.GradFloats(), want, 1e-9, 1e-6) // one rounding apart
}

// TestGradient holds the gradient of every tensor of a model with one block
// against the difference of two losses along a random direction.
func TestGradient(t *testing.T) {
	cfg := tiny
	cfg.NumHiddenLayers = 1
	m := newModel(t, cfg, 7)
	rng := rand.New(rand.NewPCG(8, 8))
	for _, p := range m.Params() {
		for i := range p.Floats() {
			p.Floats()[i] += float32(0.2 * rng.NormFloat64()) // far from the symmetric start
		}
	}
	m.SetTrained(true)
	ids := randomIDs(24, cfg.VocabSize)
	c, logits := forward(t, m, 2, ids)
	ce := ag.NewCrossEntropy(logits, ids)
	loss := c.Run(ce)
	if err := c.Backward(loss); err != nil {
		t.Fatal(err)
	}
	sum := func() (s float64) { // the rows' losses in float64: the mean is rounded too coarsely
		c.Replay()
		for _, l := range ce.Losses() {
			s += float64(l) / float64(ce.Count())
		}
		return s
	}
	for _, p := range m.Params() {
		start := append([]float32(nil), p.Floats()...)
		dir := make([]float64, len(start))
		want, norm := 0.0, 0.0
		for i, g := range p.GradFloats() {
			dir[i] = rng.NormFloat64() + 3*float64(g)*math.Sqrt(float64(len(start)))
			want += dir[i] * float64(g)
			norm += dir[i] * dir[i]
		}
		h := 1e-2 / math.Sqrt(norm)
		at := func(h float64) float64 {
			for i, x := range start {
				p.Floats()[i] = float32(float64(x) + h*dir[i])
			}
			return sum()
		}
		got := (at(h) - at(-h)) / (2 * h)
		copy(p.Floats(), start)
		// Losses of about 4 carry 24 rounded rows: 1e-7 each way, over 2e-2 of
		// way; the curvature's share is h².
		tol := (3e-5 + 1e-3*math.Abs(want)/math.Sqrt(norm)) * math.Sqrt(norm)
		if !(math.Abs(got-want) <= tol) {
			t.Errorf("%s: the loss changes by %g along a direction, the gradient says %g", p.Name, got, want)
		}
	}
}

func TestNew(t *testing.T) {
	cfg := tiny
	cfg.VocabSize = 4000
	a, b, other := newModel(t, cfg, 1), newModel(t, cfg, 1), newModel(t, cfg, 2)
	var n int64
	for i, p := range a.Params() {
		nntest.EqualBits(t, p.Name, p.Floats(), b.Params()[i].Floats())
		n += int64(len(p.Floats()))
		if norm := strings.Contains(p.Name, "norm"); norm != (len(p.Shape) == 1) {
			t.Errorf("%s has shape %v", p.Name, p.Shape)
		} else if norm {
			continue
		} else if p.Floats()[0] == other.Params()[i].Floats()[0] {
			t.Errorf("%s is the same for two seeds", p.Name)
		}
	}
	if n != cfg.NumParameters() {
		t.Errorf("%d parameters, NumParameters is %d", n, cfg.NumParameters())
	}
	var mean, square float64
	w := a.Embed.W.Floats()
	for _, x := range w {
		mean += float64(x) / float64(len(w))
		square += float64(x) * float64(x) / float64(len(w))
	}
	// 72000 draws: five standard errors.
	if math.Abs(mean) > 5*0.02/math.Sqrt(72000) || math.Abs(math.Sqrt(square)-0.02) > 5*0.02/math.Sqrt(2*72000) {
		t.Errorf("mean %g, deviation %g: want 0, 0.02", mean, math.Sqrt(square))
	}
	if _, err := llama.New(llama.Config{}, 1); err == nil {
		t.Error("New takes an empty configuration")
	}
}

func TestClone(t *testing.T) {
	m := newModel(t, tiny, 9)
	m.SetTrained(true)
	c := m.Clone()
	for i, p := range c.Params() {
		q := m.Params()[i]
		nntest.EqualBits(t, p.Name, p.Floats(), q.Floats())
		if p.Name != q.Name || p.RequiresGrad() || &p.Floats()[0] == &q.Floats()[0] {
			t.Errorf("the clone's %s: name %s, trained %v, shared %v", q.Name, p.Name, p.RequiresGrad(), &p.Floats()[0] == &q.Floats()[0])
		}
	}
}

func TestLinears(t *testing.T) {
	m := newModel(t, tiny, 1)
	names := []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}
	linears := m.Linears()
	if len(linears) != 16 || linears[0] != m.Embed.Linear || linears[15] != m.Head || !m.Head.Output {
		t.Fatalf("%d linear maps, want the embedding, 14 and the output", len(linears))
	}
	for i, l := range linears[1:15] {
		if want := fmt.Sprintf("model.layers.%d.%s", i/7, names[i%7]); l.Name != want || l.W.Rows() != l.Out || l.W.Cols() != l.In {
			t.Errorf("linear %d is %s %d×%d over %d×%d, want %s", i, l.Name, l.Out, l.In, l.W.Rows(), l.W.Cols(), want)
		}
	}
}

// TestForwardErrors: what does not fit is an error of one line, not a crash.
func TestForwardErrors(t *testing.T) {
	m := newModel(t, tiny, 1)
	for _, c := range []struct {
		batch, tokens int
		ids           []int32
		want          string
	}{
		{2, 3, make([]int32, 5), "5 token ids: must be batch·tokens = 2·3"},
		{0, 0, nil, "0 token ids"},
		{-1, -1, make([]int32, 1), "1 token ids"},
		{1, 33, make([]int32, 33), "33 tokens: must be at most max_position_embeddings = 32"},
		{1, 2, []int32{0, 67}, "token id 67 in row 0, position 1: must lie in [0, 67)"},
		{2, 1, []int32{0, -5}, "token id -5 in row 1, position 0"},
	} {
		ctx := &nn.Context{Tape: ag.NewTape(), Batch: c.batch, Tokens: c.tokens, IDs: c.ids}
		err := ag.Guard(func() { m.Forward(ctx) })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Forward: error %v, want one with %q", err, c.want)
		}
	}
}
