package lora_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
)

// biased is a small Llama with biases, whose output is tied to the embedding.
func biased(t testing.TB) *llama.Model {
	t.Helper()
	m, err := llama.New(llama.Config{
		HiddenSize: 16, IntermediateSize: 24, NumHiddenLayers: 2, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 8,
		RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 11, MaxPositionEmbeddings: 8, TieWordEmbeddings: true, QKVBias: true, OutputBias: true,
	}, 7)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range m.Params() {
		for j := range p.Floats() {
			p.Floats()[j] += float32((i+3*j)%7-3) / 16 // biases too
		}
	}
	return m
}

// logitsOf runs a model on a batch of its own.
func logitsOf(t *testing.T, m nn.Model) []float32 {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: 2, Tokens: 4, IDs: []int32{1, 2, 3, 4, 5, 6, 7, 8}}
	var y ag.Tensor
	if err := ag.Guard(func() { y = m.Forward(c) }); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(ag.Floats(y))
}

// stir moves everything that a set trains.
func stir(s *lora.Set) {
	for _, g := range s.Groups() {
		for i, p := range g.Params {
			for j := range p.Value.Floats() {
				p.Value.Floats()[j] += float32((i+5*j)%9-4) / 32
			}
		}
	}
}

// TestWholes: biases and modules are trained beside adapters, leave with them
// and come back, bit for bit, and go through files.
func TestWholes(t *testing.T) {
	for _, c := range []struct {
		opt  lora.Options
		want []string // that are trained whole
	}{
		{lora.Options{Bias: lora.AdaptedBiases, Targets: lora.Targets{"q_proj"}}, []string{"model.layers.0.self_attn.q_proj.bias", "model.layers.1.self_attn.q_proj.bias"}},
		{lora.Options{Bias: lora.AllBiases, Targets: lora.Targets{"up_proj"}}, []string{
			"model.layers.0.self_attn.q_proj.bias", "model.layers.0.self_attn.k_proj.bias", "model.layers.0.self_attn.v_proj.bias", "model.layers.0.self_attn.o_proj.bias",
			"model.layers.1.self_attn.q_proj.bias", "model.layers.1.self_attn.k_proj.bias", "model.layers.1.self_attn.v_proj.bias", "model.layers.1.self_attn.o_proj.bias",
		}},
		{lora.Options{Save: []string{"model.norm", "layers.1.mlp"}}, []string{
			"model.layers.1.mlp.gate_proj.weight", "model.layers.1.mlp.up_proj.weight", "model.layers.1.mlp.down_proj.weight", "model.norm.weight",
		}},
		{lora.Options{Save: []string{"lm_head"}}, []string{"lm_head.weight"}},
		{lora.Options{Save: []string{"embed_tokens"}}, []string{"model.embed_tokens.weight"}},
		{lora.Options{Save: []string{"embed_tokens", "lm_head"}}, []string{"model.embed_tokens.weight", "lm_head.weight"}},
	} {
		c.opt.Rank, c.opt.Alpha = 2, 4
		m := biased(t)
		before := logitsOf(t, m)
		set, err := lora.Inject(m, row(t, "lora"), c.opt)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, w := range set.Wholes {
			names = append(names, w.Name)
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%+v trains whole %v, want %v", c.opt, names, c.want)
		}
		if !slices.Equal(logitsOf(t, m), before) {
			t.Errorf("%+v: the start is not the base", c.opt)
		}
		stir(set)
		after := logitsOf(t, m)
		if slices.Equal(after, before) {
			t.Errorf("%+v: training what is trained changes nothing", c.opt)
		}

		config, weights, err := set.Files()
		if err != nil {
			t.Fatal(err)
		}
		state := set.State()
		set.Remove()
		if !slices.Equal(logitsOf(t, m), before) {
			t.Errorf("%+v: without the set the model is not the base", c.opt)
		}
		if again := set.State(); len(again) != len(state) || !slices.Equal(again[c.want[0]], state[c.want[0]]) {
			t.Errorf("%+v: the state changes when the set is taken out", c.opt)
		}
		if err := set.Attach(); err != nil || !slices.Equal(logitsOf(t, m), after) {
			t.Errorf("%+v: back in, it is not what it was: %v", c.opt, err)
		}

		for what, read := range map[string]func(nn.Model) (*lora.Set, error){
			"files": func(m nn.Model) (*lora.Set, error) { return lora.Load(m, config, weights) },
			"state": func(m nn.Model) (*lora.Set, error) {
				opt := c.opt
				opt.State = state
				return lora.Inject(m, row(t, "lora"), opt)
			},
		} {
			fresh := biased(t)
			loaded, err := read(fresh)
			if err != nil {
				t.Errorf("%+v: %s: %v", c.opt, what, err)
				continue
			}
			if !slices.Equal(logitsOf(t, fresh), after) || loaded.TrainedParameters() != set.TrainedParameters() {
				t.Errorf("%+v: from its %s the set is another", c.opt, what)
			}
		}
	}
}

// TestSeveralSets: sets take turns on one base.
func TestSeveralSets(t *testing.T) {
	m := biased(t)
	base := logitsOf(t, m)
	var sets []*lora.Set
	var want [][]float32
	for _, method := range []string{"lora", "pissa", "dora"} {
		set, err := lora.Inject(m, row(t, method), lora.Options{Rank: 2, Alpha: 2, Bias: lora.AllBiases})
		if err != nil {
			t.Fatal(err)
		}
		stir(set)
		want = append(want, logitsOf(t, m))
		set.Remove()
		sets = append(sets, set)
	}
	for _, i := range []int{2, 0, 1, 0} {
		if err := sets[i].Attach(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logitsOf(t, m), want[i]) {
			t.Errorf("set %d is not what it was", i)
		}
		if err := sets[(i+1)%3].Attach(); err == nil {
			t.Error("two sets are attached at once")
		}
		sets[i].Remove()
	}
	if !slices.Equal(logitsOf(t, m), base) {
		t.Error("the base is not what it was")
	}
}

// TestSelection: which maps the options adapt.
func TestSelection(t *testing.T) {
	linears := biased(t).Linears()
	for _, c := range []struct {
		opt  lora.Options
		want string
	}{
		{lora.Options{Targets: lora.Targets{"q_proj"}, Blocks: []int{1}}, "layers.1.self_attn.q_proj"},
		{lora.Options{Targets: lora.Targets{"q_proj"}, Blocks: []int{0}, BlocksIn: []string{"lay.*"}}, "layers.0.self_attn.q_proj"},
		{lora.Options{Targets: lora.Targets{"q_proj", "up_proj"}, Exclude: lora.Targets{`.*\.0\..*`, "layers.1.mlp.up_proj"}}, "layers.1.self_attn.q_proj"},
		{lora.Options{Targets: lora.Targets{"embed_tokens", "lm_head"}}, "embed_tokens lm_head"},
		{lora.Options{Targets: lora.Targets{"q_proj"}, Save: []string{"layers.0"}}, "layers.1.self_attn.q_proj"},
		{lora.Options{Targets: lora.Targets{"q_proj"}, Blocks: []int{7}}, "select no linear map within blocks [7]"},
		{lora.Options{Targets: lora.Targets{"q_proj"}, Blocks: []int{0}, BlocksIn: []string{"("}}, "layers pattern"},
		{lora.Options{Targets: lora.Targets{"q_proj"}, Exclude: lora.Targets{"k_porj"}}, `target "k_porj" selects no linear map`},
	} {
		selected, err := c.opt.Select(linears)
		var got []string
		for _, l := range selected {
			got = append(got, strings.TrimPrefix(l.Name, "model."))
		}
		if s := strings.Join(got, " "); err != nil && !strings.Contains(err.Error(), c.want) || err == nil && s != c.want {
			t.Errorf("%+v: %s, %v, want %s", c.opt, s, err, c.want)
		}
	}
	if _, err := lora.Inject(biased(t), row(t, "lora"), lora.Options{Rank: 1, Alpha: 1, Save: []string{"clasifier"}}); err == nil || !strings.Contains(err.Error(), `module to save "clasifier" is not in the model`) {
		t.Errorf("a module that is not there: %v", err)
	}
}

// TestEmbedding: an adapted embedding is the adapted linear map of one-hot rows.
func TestEmbedding(t *testing.T) {
	const rows, n = 7, 5
	for _, method := range []string{"lora", "rslora", "dora", "hira", "adalora", "vera", "full"} {
		e := &nn.Embedding{Linear: &nn.Linear{Name: "e", Kind: nn.Table, In: rows, Out: n, W: ag.NewVariable(rows, n, numbers(rows*n))}}
		l := nn.NewLinear("l", n, rows, e.Weight())
		ids := []int32{3, 0, 6, 3}
		onehot := ag.NewVariable(len(ids), rows, nil)
		for i, id := range ids {
			onehot.Floats()[i*rows+int(id)] = 1
		}
		weights := numbers(len(ids) * n)
		var values, grads [2][]float32
		var shapes [2][]float32
		for i, one := range []*nn.Linear{e.Linear, l} {
			set, err := lora.Inject(layer{one}, row(t, method), lora.Options{Targets: lora.Targets{one.Name}, Rank: 2, Alpha: 4, Seed: 1})
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			m := set.Maps[0]
			for _, f := range m.Factors {
				if f.Trained {
					copy(f.Floats(), numbers(len(f.Floats())))
				}
			}
			c := &nn.Context{Tape: ag.NewTape()}
			var y ag.Tensor
			if i == 0 {
				y = e.Forward(c, ids)
			} else {
				y = l.Forward(c, onehot)
			}
			if err := c.Backward(c.Run(ag.NewWeightedMean(y, weights))); err != nil {
				t.Fatal(err)
			}
			values[i] = ag.Floats(y)
			for _, f := range m.Factors {
				if f.Trained {
					grads[i] = append(grads[i], f.GradFloats()...)
				}
			}
			if err := set.Merge(); err != nil {
				t.Fatal(err)
			}
			shapes[i] = one.Weight()
		}
		// One product of two more or less: a few roundings of numbers around one.
		near(t, method+": y", values[0], values[1], 1e-6, 1e-6)
		near(t, method+": gradients", grads[0], grads[1], 1e-6, 1e-5)
		near(t, method+": merged", shapes[0], shapes[1], 0, 0)
	}
}

// numbers are some that differ.
func numbers(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((i*i+3*i)%17-8) / 8
	}
	return x
}

// TestMergeTied: a weight that two maps have is not merged into.
func TestMergeTied(t *testing.T) {
	for _, target := range []string{"embed_tokens", "lm_head"} {
		m := biased(t)
		set, err := lora.Inject(m, row(t, "lora"), lora.Options{Targets: lora.Targets{target}, Rank: 2, Alpha: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Merge(); err == nil || !strings.Contains(err.Error(), "lm_head and model.embed_tokens are one tensor") {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// TestOtherBase: adapters know the base that they were trained on.
func TestOtherBase(t *testing.T) {
	m := biased(t)
	set, err := lora.Inject(m, row(t, "lora"), lora.Options{Rank: 2, Alpha: 2})
	if err != nil {
		t.Fatal(err)
	}
	config, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	other := biased(t)
	other.Norm.W.Floats()[3] += 0.125
	if _, err := lora.Load(other, config, weights); err == nil || !strings.Contains(err.Error(), "was trained on a base with base_sha256") {
		t.Errorf("on another base: %v", err)
	}
	if _, err := lora.Load(biased(t), config, weights); err != nil {
		t.Error(err)
	}
}

// TestLoadAgain: an adapter whose start was taken out of the base, as PEFT saves
// it, has the start made again.
func TestLoadAgain(t *testing.T) {
	for method, start := range map[string]string{"pissa": "pissa", "olora": "olora"} {
		m := biased(t)
		set, err := lora.Inject(m, row(t, method), lora.Options{Rank: 2, Alpha: 4, Targets: lora.Targets{"q_proj", "down_proj"}})
		if err != nil {
			t.Fatal(err)
		}
		stir(set)
		want := logitsOf(t, m)
		plain, err := lora.Inject(biased(t), row(t, "lora"), set.Options)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range plain.Maps { // PEFT's file has the factors alone
			for _, name := range []string{"A", "B"} {
				copy(p.Factor(name).Floats(), set.Maps[i].Factor(name).Floats())
			}
		}
		config, weights, err := plain.Files()
		if err != nil {
			t.Fatal(err)
		}
		config = []byte(strings.Replace(string(config), `"init_lora_weights": true`, `"init_lora_weights": "`+start+`"`, 1))
		fresh := biased(t)
		if _, err := lora.Load(fresh, config, weights); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logitsOf(t, fresh), want) {
			t.Errorf("%s: loaded, it is another", method)
		}
	}
}
