package lora_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
)

func model(t testing.TB) *llama.Model {
	m, err := llama.New(llama.Config{
		HiddenSize: 16, IntermediateSize: 24, NumHiddenLayers: 3, NumAttentionHeads: 2, NumKeyValueHeads: 1,
		HeadDim: 8, RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 11, MaxPositionEmbeddings: 8,
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func row(t testing.TB, name string) lora.Method {
	m, err := lora.Row(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func names(ls []*nn.Linear) (all []string) {
	for _, l := range ls {
		all = append(all, strings.TrimPrefix(l.Name, "model.layers."))
	}
	return all
}

func TestTargets(t *testing.T) {
	linears := model(t).Linears()
	for _, c := range []struct {
		targets string // JSON
		want    string // how many, which, or what the error says
	}{
		{`[]`, "21"},
		{`"all-linear"`, "21"},
		{`"q_proj"`, "0.self_attn.q_proj 1.self_attn.q_proj 2.self_attn.q_proj"},
		{`["mlp.up_proj", "model.layers.1.self_attn.o_proj"]`, "0.mlp.up_proj 1.self_attn.o_proj 1.mlp.up_proj 2.mlp.up_proj"},
		{`".*\\.[02]\\..*(k|v)_proj"`, "0.self_attn.k_proj 0.self_attn.v_proj 2.self_attn.k_proj 2.self_attn.v_proj"},
		{`"proj"`, `target "proj" selects no linear map; there are, nearest first: `}, // no whole component
		{`["q_proj", "q_porj"]`, `target "q_porj" selects no linear map; there are, nearest first: q_proj,`},
		{`".*_prj$"`, `target ".*_prj$" selects no`},
		{`"(q_proj"`, `target "(q_proj" is neither a name nor a regular expression`},
		{`7`, "must be a string or a list of strings"},
	} {
		var targets lora.Targets
		var selected []*nn.Linear
		err := json.Unmarshal([]byte(c.targets), &targets)
		if err == nil {
			selected, err = targets.Select(linears)
		}
		switch got := strings.Join(names(selected), " "); {
		case err != nil:
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want …%s…", c.targets, err, c.want)
			}
		case c.want != got && c.want != fmt.Sprint(len(selected)):
			t.Errorf("%s selects %s, want %s", c.targets, got, c.want)
		}
	}
}

// A refused injection changes nothing.
func TestInjectRefuses(t *testing.T) {
	for _, c := range []struct {
		method string
		opt    lora.Options
		want   string
	}{
		{"lora", lora.Options{Rank: 0, Alpha: 8}, "q_proj: rank is 0, the weight 16×16: must be from 1 to 32"},
		{"lora", lora.Options{Rank: 99, Alpha: 8}, "rank is 99"},
		{"lora", lora.Options{Rank: 2}, "alpha is 0: must be above 0"},
		{"lora", lora.Options{Rank: 2, Alpha: math.NaN()}, "alpha is NaN"},
		{"lora", lora.Options{Rank: 2, Alpha: 1, RankPattern: map[string]int{"(": 1}}, `pattern "("`},
		{"lora", lora.Options{Rank: 2, Alpha: 1, Targets: lora.Targets{"x"}}, `target "x"`},
		{"lora-ga", lora.Options{Rank: 2, Alpha: 1}, "needs gradients of the full weights: calibrate first"},
		{"pissa", lora.Options{Rank: 12, Alpha: 1}, "k_proj: rank is 12, the weight 8×16: must be at most 8"},
		{"lora", lora.Options{Rank: 2, Alpha: 1, State: lora.State{}}, "q_proj.A, 2×16, is missing"},
	} {
		m := model(t)
		_, err := lora.Inject(m, row(t, c.method), c.opt)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %+v: %v, want …%s…", c.method, c.opt, err, c.want)
		}
		for _, l := range m.Linears() {
			if l.Adapter != nil {
				t.Fatalf("%s: %s was adapted", c.method, l.Name)
			}
		}
	}
	m := model(t)
	opt := lora.Options{Rank: 2, Alpha: 1}
	if _, err := lora.Inject(m, row(t, "lora"), opt); err != nil {
		t.Fatal(err)
	}
	if _, err := lora.Inject(m, row(t, "lora"), opt); err == nil || !strings.Contains(err.Error(), "has an adapter already") {
		t.Errorf("injected twice: %v", err)
	}
}

// A weight with a row of zeros has no direction to give a magnitude to, one
// with a NaN no singular vectors.
func TestInjectRefusesWeights(t *testing.T) {
	for method, want := range map[string]string{
		"dora":  "q_proj: row 0 of the weight has norm 0",
		"pissa": "q_proj: the weight: entry (0, 1) is NaN",
		"olora": "q_proj: the weight: entry (0, 1) is NaN",
	} {
		m := model(t)
		w := m.Linears()[1].W.Floats()
		clear(w[:16])
		if method != "dora" {
			w[1] = float32(math.NaN())
		}
		if _, err := lora.Inject(m, row(t, method), lora.Options{Rank: 2, Alpha: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", method, err, want)
		}
	}
}

// The values of a map depend on the seed and its own name, not on which other
// maps there are.
func TestSeeds(t *testing.T) {
	state := func(seed uint64, targets ...string) lora.State {
		set, err := lora.Inject(model(t), row(t, "mola"), lora.Options{Targets: targets, Rank: 5, Alpha: 1, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return set.State()
	}
	all, few, other := state(1), state(1, "v_proj"), state(2, "v_proj")
	if len(few) == 0 {
		t.Fatal("nothing was adapted")
	}
	for name, x := range few {
		if !slices.Equal(x, all[name]) {
			t.Errorf("%s depends on what else is adapted", name)
		}
		if !strings.HasSuffix(name, ".B") && slices.Equal(x, other[name]) {
			t.Errorf("%s does not depend on the seed", name)
		}
	}
}

// Patterns give single maps other ranks and alphas, and survive the files.
func TestPatterns(t *testing.T) {
	for _, method := range []string{"lora", "pissa", "hira", "vera"} {
		set, err := lora.Inject(model(t), row(t, method), lora.Options{
			Rank: 2, Alpha: 4, RankPattern: map[string]int{"k_proj": 1, `1\.mlp\.up_proj`: 3}, AlphaPattern: map[string]float64{"k_proj": 8},
		})
		if err != nil {
			t.Fatal(err)
		}
		config, weights, err := set.Files()
		if err != nil {
			t.Fatal(err)
		}
		read, err := lora.Load(model(t), config, weights)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		for i, m := range set.Maps {
			want := 2
			switch {
			case strings.HasSuffix(m.Name, "k_proj"):
				want = 1
			case m.Name == "model.layers.1.mlp.up_proj":
				want = 3
			}
			if m.Rank != want {
				t.Errorf("%s: %s has rank %d, want %d", method, m.Name, m.Rank, want)
			}
			if a, _ := m.Start(); a != nil {
				want *= 2
			}
			if got := read.Maps[i]; got.Rank != want || got.Scaling != m.Scaling {
				t.Errorf("%s: %s is read with rank %d and scaling %v, want %d and %v", method, m.Name, got.Rank, got.Scaling, want, m.Scaling)
			}
		}
	}
}

// What is wrong with files is said with the tensor and both shapes.
func TestLoadIsStrict(t *testing.T) {
	set, err := lora.Inject(model(t), row(t, "lora"), lora.Options{Targets: lora.Targets{"q_proj"}, Rank: 2, Alpha: 4})
	if err != nil {
		t.Fatal(err)
	}
	config, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	const a = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
	for _, c := range []struct {
		what    string
		config  func(map[string]any)
		tensors func(map[string]pretrained.Tensor)
		want    string
	}{
		{"missing", nil, func(m map[string]pretrained.Tensor) { delete(m, a) }, a + " [2 16] is missing"},
		{"shape", nil, func(m map[string]pretrained.Tensor) {
			m[a] = pretrained.Tensor{Name: a, Shape: []int{16, 2}, Data: m[a].Data}
		}, a + " is [16 2]: must be [2 16]"},
		{"unexpected", nil, func(m map[string]pretrained.Tensor) {
			m["x"] = pretrained.Tensor{Name: "x", Shape: []int{1}, Data: []float32{1}}
		}, "x [1] is unexpected"},
		{"not finite", nil, func(m map[string]pretrained.Tensor) { m[a].Data[3] = float32(math.Inf(1)) }, a + ": value 3 is +Inf"},
		{"type", func(c map[string]any) { c["peft_type"] = "LOHA" }, nil, `peft_type "LOHA" is not known; there are: LORA, VERA, HIRA, ADALORA, LOWRANK`},
		{"residual base", func(c map[string]any) { c["init_lora_weights"] = "corda" }, nil, `init_lora_weights is "corda": the adapter belongs to a base`},
		{"unknown setting", func(c map[string]any) { c["use_qalora"] = true }, nil, "adapter_config.json: use_qalora is true: not supported"},
		{"a bias that is not there", func(c map[string]any) { c["lora_bias"] = true }, nil, "q_proj.lora_B.bias [16] is missing"},
		{"silent setting", func(c map[string]any) { c["lora_bias"] = false; c["use_qalora"] = nil }, nil, ""},
		{"rank", func(c map[string]any) { c["r"] = "two" }, nil, "adapter_config.json: r is two: must be a whole number"},
		{"no alpha", func(c map[string]any) { delete(c, "lora_alpha") }, nil, "lora_alpha is <nil>: must be a number"},
		{"targets", func(c map[string]any) { c["target_modules"] = "c_attn" }, nil, `target_modules is c_attn: selects no linear map; there are, nearest first: `},
		{"start beside a start", func(c map[string]any) { c["kasa_config"] = map[string]any{}; c["init_lora_weights"] = "pissa" }, nil, "init_lora_weights is pissa: not supported beside a start"},
		{"own type", func(c map[string]any) { c["peft_type"] = "LOWRANK"; c["method"] = map[string]any{"metod": "lora"} }, nil, `unknown field "metod"`},
		{"own method", func(c map[string]any) { c["peft_type"] = "LOWRANK" }, nil, "method: is missing"},
	} {
		var fields map[string]any
		if err := json.Unmarshal(config, &fields); err != nil {
			t.Fatal(err)
		}
		file, err := pretrained.ParseSafetensors("", weights)
		if err != nil {
			t.Fatal(err)
		}
		tensors := map[string]pretrained.Tensor{}
		for _, name := range file.Names() {
			tensors[name], _ = file.Tensor(name)
		}
		if c.config != nil {
			c.config(fields)
		}
		if c.tensors != nil {
			c.tensors(tensors)
		}
		changed, _ := json.Marshal(fields)
		var b bytes.Buffer
		if err := pretrained.WriteSafetensors(&b, slices.Collect(maps.Values(tensors)), nil); err != nil {
			t.Fatal(err)
		}
		_, err = lora.Load(model(t), changed, b.Bytes())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want …%s…", c.what, err, c.want)
		}
	}
	for _, junk := range []string{"", "{", "[]", `{"r": 1e99}`} {
		if _, err := lora.Load(model(t), []byte(junk), weights); err == nil {
			t.Errorf("configuration %q is read", junk)
		}
		if _, err := lora.Load(model(t), config, []byte(junk)); err == nil {
			t.Errorf("weights %q are read", junk)
		}
	}
}

// Calibration gives the gradient of the recorded layer, and leaves the model
// as it was.
func TestCalibrate(t *testing.T) {
	for _, shape := range shapes {
		r := record(t, shape, "loraga_ArB2r_stable")
		l := r.layer()
		x, target := r.get(r.init, "calib.x"), r.get(r.init, "calib.target")
		rows := len(x) / l.lin.In
		for i := range target {
			target[i] *= -1
		}
		g, err := lora.Calibrate(l, nil, 2, func(int) error {
			c := &nn.Context{Tape: ag.NewTape()}
			d := c.Run(ag.NewAdd(l.lin.Forward(c, ag.NewVariable(rows, l.lin.In, x)), ag.NewVariable(rows, l.lin.Out, target)))
			return c.Backward(total(c.Tape, c.Run(ag.NewMul(d, d)), 1/float32(len(target))))
		})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "gradient", g["lin"], r.get(r.init, "calib.grad_W"), 1e-6, 1e-4)
		if l.lin.W.RequiresGrad() || l.lin.W.HasGrad() {
			t.Error("the weight is left trained, or with a gradient")
		}
	}
}
