package vit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/nntest"
	"github.com/lowrank/lowrank/nn/vit"
)

// TestFeatures compares the last hidden states and the pooler's output of a
// ViTModel with the recorded weights and a pooler with what transformers
// recorded.
func TestFeatures(t *testing.T) {
	want := nntest.Open(t, "testdata/pooler.safetensors")
	recorded := source(t)
	cfg := config(t)
	cfg.NumLabels, cfg.Task, cfg.Pooler, cfg.PoolerAct, cfg.PoolerOutputSize = 0, nn.Features, true, "tanh", 6
	m, err := vit.Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		if strings.HasPrefix(name, "pooler.") {
			return want.Floats(t, name), nil
		}
		return recorded("vit."+name, shape...)
	}))
	if err != nil {
		t.Fatal(err)
	}
	pixels, _ := images(t)
	nntest.AtEachLevel(t, func(t *testing.T) {
		c, x := forward(t, m, 3, pixels)
		nntest.Near(t, "last hidden states", ag.Floats(x), want.Floats(t, "last_hidden_state"), 2e-6, 2e-5)
		nntest.Near(t, "pooler's output", ag.Floats(m.Pool(c, x)), want.Floats(t, "pooler_output"), 2e-6, 2e-5)
	})
	if m.Task() != nn.Features {
		t.Errorf("the task is %s", m.Task())
	}
	if l := m.Linears(); l[len(l)-1] != m.Pooler || slices.ContainsFunc(l, func(l *nn.Linear) bool { return l.Output }) {
		t.Error("the last linear map must be the pooler, and none the output")
	}
}

// TestFrozen: the packed products of a frozen model give a trained one's
// logits; a clone's are those too; and an image's logits do not depend on the
// others of its batch.
func TestFrozen(t *testing.T) {
	pixels, _ := images(t)
	nntest.AtEachLevel(t, func(t *testing.T) {
		m := load(t)
		_, frozen := forward(t, m, 3, pixels)
		if frozen.RequiresGrad() {
			t.Error("a new model's logits require a gradient")
		}
		n := len(pixels) / 3
		for b := range 3 {
			_, one := forward(t, m, 1, pixels[b*n:][:n])
			nntest.EqualBits(t, fmt.Sprintf("image %d alone", b), ag.Floats(one), ag.Floats(frozen)[b*5:][:5])
		}
		m.SetTrained(true)
		_, trained := forward(t, m, 3, pixels)
		nntest.EqualBits(t, "trained", ag.Floats(trained), ag.Floats(frozen))

		clone := m.Clone()
		clear(m.Embeddings.Positions.Floats())
		_, cloned := forward(t, clone, 3, pixels)
		nntest.EqualBits(t, "cloned", ag.Floats(cloned), ag.Floats(frozen))
		if cloned.RequiresGrad() {
			t.Error("a clone's logits require a gradient")
		}
	})
}

// TestReplay: a graph run again on new pixels is a new graph on them.
func TestReplay(t *testing.T) {
	m := load(t)
	pixels, _ := images(t)
	c, logits := forward(t, m, 3, slices.Clone(pixels))
	slices.Reverse(pixels)
	copy(c.Pixels.Floats(), pixels)
	c.Replay()
	_, fresh := forward(t, m, 3, pixels)
	nntest.EqualBits(t, "replayed logits", ag.Floats(logits), ag.Floats(fresh))
}

func TestLinears(t *testing.T) {
	m := load(t)
	names := []string{"vit.embeddings.patch_embeddings.projection"}
	for i := range 2 {
		for _, n := range []string{"attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj", "mlp.fc1", "mlp.fc2"} {
			names = append(names, fmt.Sprintf("vit.layers.%d.%s", i, n))
		}
	}
	names = append(names, "classifier")
	linears := m.Linears()
	if len(linears) != len(names) {
		t.Fatalf("%d linear maps, want %d", len(linears), len(names))
	}
	for i, l := range linears {
		kind := nn.Dense
		if i == 0 {
			kind = nn.Convolution
		}
		if l.Name != names[i] || l.Kind != kind || l.Output != (i == len(names)-1) || l.Bias == nil {
			t.Errorf("linear %d is %s, kind %d, output %v", i, l.Name, l.Kind, l.Output)
		}
	}
}

// TestBuild: what is asked for follows from the configuration, and the source's
// error is Build's.
func TestBuild(t *testing.T) {
	cfg := config(t)
	cfg.QKVBias = false
	cfg.ImageSize = 20 // 2·2 patches of 8×8; the rest of the image is in none
	cfg.NumChannels = 2
	shapes := map[string][]int{}
	zeros := nn.Floats(func(name string, shape ...int) ([]float32, error) {
		shapes[name] = shape
		n := 1
		for _, d := range shape {
			n *= d
		}
		return make([]float32, n), nil
	})
	m, err := vit.Build(cfg, zeros)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]int{
		"vit.embeddings.patch_embeddings.projection.weight":    {48, 2, 8, 8},
		"vit.embeddings.position_embeddings":                   {1, 5, 48},
		"vit.encoder.layer.0.attention.attention.query.bias":   nil,
		"vit.encoder.layer.1.attention.attention.key.bias":     nil,
		"vit.encoder.layer.0.attention.attention.value.bias":   nil,
		"vit.encoder.layer.0.attention.output.dense.bias":      {48},
		"vit.pooler.dense.weight":                              nil,
		"vit.encoder.layer.0.attention.attention.value.weight": {48, 48},
		"vit.encoder.layer.1.intermediate.dense.weight":        {96, 48},
		"vit.encoder.layer.2.attention.attention.value.weight": nil,
	} {
		if !slices.Equal(shapes[name], want) {
			t.Errorf("%s is asked for as %v, want %v", name, shapes[name], want)
		}
	}
	if _, y := forward(t, m, 2, make([]float32, 2*2*20*20)); len(ag.Floats(y)) != 2*5 {
		t.Errorf("%d logits", len(ag.Floats(y)))
	}

	wrong := errors.New("no such tensor")
	asked := 0
	_, err = vit.Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		asked++
		return nil, wrong
	}))
	if err != wrong || asked != len(shapes) {
		t.Errorf("%d of %d tensors asked for, then %v", asked, len(shapes), err)
	}
	for _, change := range []func(*vit.Config){
		func(c *vit.Config) { c.HiddenAct = "step" },
		func(c *vit.Config) { c.Pooler, c.PoolerAct = true, "step" },
	} {
		bad := cfg
		change(&bad)
		if _, err := vit.Build(bad, zeros); err == nil || !strings.Contains(err.Error(), `"step"`) {
			t.Errorf("an unknown activation gives %v", err)
		}
	}
}

// TestForwardErrors: what does not fit is an error of one line, not a crash.
func TestForwardErrors(t *testing.T) {
	m := load(t)
	for _, c := range []struct {
		c    nn.Context
		want string
	}{
		{nn.Context{Batch: 1}, "no pixels"},
		{nn.Context{Batch: 2, Pixels: ag.NewVariable(1, 3072, nil)}, "pixels are 1×3072: must be batch×(channels·height·width) = 2×(3·32·32)"},
		{nn.Context{Batch: 1, Pixels: ag.NewVariable(1, 3071, nil)}, "pixels are 1×3071"},
		{nn.Context{Batch: 0, Pixels: ag.NewVariable(0, 3072, nil)}, "pixels are 0×3072"},
		{nn.Context{Batch: 1, First: []int{3}, Pixels: ag.NewVariable(1, 3072, nil)}, "padding"},
		{nn.Context{Batch: 1, End: []int{3}, Pixels: ag.NewVariable(1, 3072, nil)}, "padding"},
		{nn.Context{Batch: 1, Cache: nn.NewCache(20), Pixels: ag.NewVariable(1, 3072, nil)}, "cache"},
	} {
		c.c.Tape = ag.NewTape()
		err := ag.Guard(func() { m.Forward(&c.c) })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Forward: error %v, want one with %q", err, c.want)
		}
	}
}

// TestModuleNames: adapters know the modules of a block by the names of
// transformers 5, and by those of the checkpoint.
func TestModuleNames(t *testing.T) {
	m := load(t)
	for _, l := range m.Linears() {
		if l == m.Blocks[1].Attention.O && (l.Name != "vit.layers.1.attention.o_proj" || l.Old != "vit.encoder.layer.1.attention.output.dense") {
			t.Errorf("the output of the attention is %s, once %s", l.Name, l.Old)
		}
	}
	names := map[string]string{}
	for _, p := range m.Params() {
		names[p.Name] = p.Path()
	}
	for name, want := range map[string]string{
		"vit.encoder.layer.0.attention.attention.query.weight": "vit.layers.0.attention.q_proj.weight",
		"vit.encoder.layer.1.intermediate.dense.bias":          "vit.layers.1.mlp.fc1.bias",
		"vit.encoder.layer.1.output.dense.weight":              "vit.layers.1.mlp.fc2.weight",
		"vit.encoder.layer.0.layernorm_after.bias":             "vit.layers.0.layernorm_after.bias",
		"vit.layernorm.weight":                                 "vit.layernorm.weight",
		"classifier.bias":                                      "classifier.bias",
	} {
		if names[name] != want {
			t.Errorf("%s is %s, want %s", name, names[name], want)
		}
	}
}
