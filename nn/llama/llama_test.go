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
	"github.com/lowrank/lowrank/nn/pretrained"
)

// testdata is a LlamaForCausalLM that transformers saved, random in all
// weights, with a batch of 3×12 tokens padded on the right, and the loss,
// logits and gradients that it gave for them.

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

func load(t *testing.T) *llama.Model {
	t.Helper()
	m, err := pretrained.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// batch reads the recorded ids and the targets of the next token.
func batch(t *testing.T) (ids, targets []int32, mask []int64) {
	t.Helper()
	in, err := pretrained.ReadSafetensors("testdata/inputs.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []int64 {
		v, err := in.Ints(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	labels := read("labels")
	for i, id := range read("input_ids") {
		ids = append(ids, int32(id))
		target := int32(-1)
		if i%12 < 11 && labels[i+1] >= 0 {
			target = int32(labels[i+1])
		}
		targets = append(targets, target)
	}
	return ids, targets, read("attention_mask")
}

// forward builds the logits on a tape of its own.
func forward(t *testing.T, m *llama.Model, batch int, ids []int32) (*nn.Context, ag.Tensor) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: batch, Tokens: len(ids) / batch, IDs: ids}
	var logits ag.Tensor
	if err := ag.Guard(func() { logits = m.Forward(c) }); err != nil {
		t.Fatal(err)
	}
	return c, logits
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

// TestRecorded compares logits, loss and the gradient of every tensor with
// what transformers recorded. The mask only hides padding, which stands on
// the right: no row before it sees it, and the loss ignores it.
func TestRecorded(t *testing.T) {
	want, err := pretrained.ReadSafetensors("testdata/base_outputs.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	tensor := func(name string) []float32 {
		x, err := want.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return x.Data
	}
	ids, targets, mask := batch(t)
	atEachLevel(t, func(t *testing.T) {
		m := load(t)
		m.SetTrained(true)
		c, logits := forward(t, m, 3, ids)
		loss := c.Run(ag.NewCrossEntropy(logits, targets))
		if err := c.Backward(loss); err != nil {
			t.Fatal(err)
		}

		// Sums of up to 80 float32 products in another order, through two
		// blocks; logits reach 2, gradients 0.1.
		const abs, rel = 2e-6, 2e-5
		got, ref := ag.Floats(logits), tensor("logits")
		for i, real := range mask {
			if real == 1 {
				row := func(x []float32) []float32 { return x[i*m.Config.VocabSize : (i+1)*m.Config.VocabSize] }
				near(t, fmt.Sprintf("logits %d", i), row(got), row(ref), abs, rel)
			}
		}
		near(t, "loss", ag.Floats(loss), tensor("loss"), 0, 1e-6)
		for _, p := range m.Params() {
			near(t, "grad."+p.Name, p.GradFloats(), tensor("grad."+p.Name), abs, rel)
		}
		if n := len(want.Names()) - len(m.Params()); n != 5 { // loss, logits, three hidden states
			t.Errorf("%d recorded tensors are not compared, want 5", n)
		}
	})
}

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

func equalBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s[%d] = %g, want %g bit for bit", name, i, got[i], want[i])
		}
	}
}

// TestBatchIndependence: a sequence's logits do not depend on the others of
// its batch, nor a position's on those after it.
func TestBatchIndependence(t *testing.T) {
	const tokens = 13
	ids := randomIDs(16*tokens, tiny.VocabSize)
	atEachLevel(t, func(t *testing.T) {
		m := newModel(t, tiny, 3)
		_, all := forward(t, m, 16, ids)
		for b := range 16 {
			seq := ids[b*tokens : (b+1)*tokens]
			rows := ag.Floats(all)[b*tokens*tiny.VocabSize : (b+1)*tokens*tiny.VocabSize]
			_, one := forward(t, m, 1, seq)
			equalBits(t, fmt.Sprintf("sequence %d alone", b), ag.Floats(one), rows)
			_, short := forward(t, m, 1, seq[:5])
			equalBits(t, fmt.Sprintf("its first 5 tokens, %d", b), ag.Floats(short), rows[:5*tiny.VocabSize])
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
	atEachLevel(t, func(t *testing.T) {
		_, got := forward(t, load(t), 2, ids)
		near(t, "logits", ag.Floats(got), ag.Floats(want), 2e-6, 2e-5) // as TestRecorded
	})
}

// TestFrozen: the packed products of a frozen model give a trained one's
// logits, and a frozen model takes no gradient.
func TestFrozen(t *testing.T) {
	ids := randomIDs(14, tiny.VocabSize)
	atEachLevel(t, func(t *testing.T) {
		m := newModel(t, tiny, 4)
		_, frozen := forward(t, m, 2, ids)
		if frozen.RequiresGrad() {
			t.Error("a new model's logits require a gradient")
		}
		m.SetTrained(true)
		c, trained := forward(t, m, 2, ids)
		equalBits(t, "trained logits", ag.Floats(trained), ag.Floats(frozen))

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
		equalBits(t, "logits frozen after a step", ag.Floats(frozen), after)
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
	equalBits(t, "replayed logits", ag.Floats(logits), ag.Floats(fresh))
}

// TestTied: the gradient of a tied table is the sum of the table's and the
// head's of an untied model with equal values.
func TestTied(t *testing.T) {
	cfg := tiny
	cfg.TieWordEmbeddings = true
	tied := newModel(t, cfg, 6)
	untied, err := llama.Build(tiny, func(name string, shape ...int) ([]float32, error) {
		if name == "lm_head.weight" {
			name = "model.embed_tokens.weight"
		}
		for _, p := range tied.Params() {
			if p.Name == name {
				return append([]float32(nil), p.Floats()...), nil
			}
		}
		return nil, fmt.Errorf("no %s", name)
	})
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
	near(t, "tied gradient", tied.Embed.W.GradFloats(), want, 1e-9, 1e-6) // one rounding apart
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
		equalBits(t, p.Name, p.Floats(), b.Params()[i].Floats())
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
		equalBits(t, p.Name, p.Floats(), q.Floats())
		if p.Name != q.Name || p.RequiresGrad() || &p.Floats()[0] == &q.Floats()[0] {
			t.Errorf("the clone's %s: name %s, trained %v, shared %v", q.Name, p.Name, p.RequiresGrad(), &p.Floats()[0] == &q.Floats()[0])
		}
	}
}

func TestLinears(t *testing.T) {
	m := newModel(t, tiny, 1)
	names := []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}
	linears := m.Linears()
	if len(linears) != 14 {
		t.Fatalf("%d linear maps, want 14", len(linears))
	}
	for i, l := range linears {
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
