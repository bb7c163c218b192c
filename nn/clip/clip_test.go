package clip_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/clip"
	"github.com/lowrank/lowrank/nn/nntest"
)

// TestFeatures: without its projection a model gives the last hidden states,
// whose pooled rows projected are the embeddings.
func TestFeatures(t *testing.T) {
	want := nntest.Open(t, "testdata/base_outputs.safetensors")
	cfg := config(t)
	cfg.ProjectionDim = 0
	m, err := clip.Build(cfg, source(t))
	if err != nil {
		t.Fatal(err)
	}
	if m.Projection != nil || m.Task() != nn.Features {
		t.Errorf("projection %v, task %s", m.Projection, m.Task())
	}
	projection := load(t).Projection
	pixels, _ := images(t)
	nntest.AtEachLevel(t, func(t *testing.T) {
		c, x := forward(t, m, 3, pixels)
		nntest.Near(t, "last hidden states", ag.Floats(x), want.Floats(t, "hidden_states.2"), 2e-6, 2e-5)
		nntest.Near(t, "projected", ag.Floats(projection.Forward(c, m.Pool(c, x))), want.Floats(t, "logits"), 2e-6, 2e-5)
	})
}

// TestFrozen: the packed products of a frozen model give a trained one's
// embeddings; a clone's are those too; and an image's do not depend on the others
// of its batch.
func TestFrozen(t *testing.T) {
	pixels, _ := images(t)
	nntest.AtEachLevel(t, func(t *testing.T) {
		m := load(t)
		_, frozen := forward(t, m, 3, pixels)
		if frozen.RequiresGrad() {
			t.Error("a new model's embeddings require a gradient")
		}
		n := len(pixels) / 3
		for b := range 3 {
			_, one := forward(t, m, 1, pixels[b*n:][:n])
			nntest.EqualBits(t, fmt.Sprintf("image %d alone", b), ag.Floats(one), ag.Floats(frozen)[b*32:][:32])
		}
		m.SetTrained(true)
		_, trained := forward(t, m, 3, pixels)
		nntest.EqualBits(t, "trained", ag.Floats(trained), ag.Floats(frozen))

		clone := m.Clone()
		clear(m.Embeddings.Positions.W.Floats())
		_, cloned := forward(t, clone, 3, pixels)
		nntest.EqualBits(t, "cloned", ag.Floats(cloned), ag.Floats(frozen))
		if cloned.RequiresGrad() {
			t.Error("a clone's embeddings require a gradient")
		}
	})
}

// TestReplay: a graph run again on new pixels is a new graph on them.
func TestReplay(t *testing.T) {
	m := load(t)
	pixels, _ := images(t)
	c, embeds := forward(t, m, 3, slices.Clone(pixels))
	slices.Reverse(pixels)
	copy(c.Pixels.Floats(), pixels)
	c.Replay()
	_, fresh := forward(t, m, 3, pixels)
	nntest.EqualBits(t, "replayed embeddings", ag.Floats(embeds), ag.Floats(fresh))
}

func TestLinears(t *testing.T) {
	m := load(t)
	names := []string{"vision_model.embeddings.patch_embedding", "vision_model.embeddings.position_embedding"}
	for i := range 2 {
		for _, n := range []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"} {
			names = append(names, fmt.Sprintf("vision_model.encoder.layers.%d.%s", i, n))
		}
	}
	names = append(names, "visual_projection")
	linears := m.Linears()
	if len(linears) != len(names) {
		t.Fatalf("%d linear maps, want %d", len(linears), len(names))
	}
	kinds := []nn.Kind{nn.Convolution, nn.Table}
	for i, l := range linears {
		kind := nn.Dense
		if i < len(kinds) {
			kind = kinds[i]
		}
		if l.Name != names[i] || l.Kind != kind || l.Output || (l.Bias != nil) != strings.Contains(l.Name, "layers") {
			t.Errorf("linear %d is %s, kind %d, output %v, bias %v", i, l.Name, l.Kind, l.Output, l.Bias != nil)
		}
	}
}

// TestBuild: what is asked for follows from the configuration, and the source's
// error is Build's.
func TestBuild(t *testing.T) {
	cfg := config(t)
	cfg.ImageSize = 20 // 2·2 patches of 8×8; the rest of the image is in none
	cfg.NumChannels = 2
	cfg.ProjectionDim = 0
	shapes := map[string][]int{}
	m, err := clip.Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		shapes[name] = shape
		n := 1
		for _, d := range shape {
			n *= d
		}
		return make([]float32, n), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]int{
		"vision_model.embeddings.patch_embedding.weight":        {48, 2, 8, 8},
		"vision_model.embeddings.class_embedding":               {48},
		"vision_model.embeddings.position_embedding.weight":     {5, 48},
		"vision_model.encoder.layers.1.mlp.fc1.weight":          {96, 48},
		"vision_model.encoder.layers.2.self_attn.q_proj.weight": nil,
		"visual_projection.weight":                              nil,
	} {
		if !slices.Equal(shapes[name], want) {
			t.Errorf("%s is asked for as %v, want %v", name, shapes[name], want)
		}
	}
	if _, y := forward(t, m, 2, make([]float32, 2*2*20*20)); len(ag.Floats(y)) != 2*5*48 {
		t.Errorf("%d hidden values", len(ag.Floats(y)))
	}

	wrong := errors.New("no such tensor")
	asked := 0
	_, err = clip.Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		asked++
		return nil, wrong
	}))
	if err != wrong || asked != len(shapes) {
		t.Errorf("%d of %d tensors asked for, then %v", asked, len(shapes), err)
	}
	cfg.HiddenAct = "step"
	if _, err := clip.Build(cfg, source(t)); err == nil || !strings.Contains(err.Error(), `"step"`) {
		t.Errorf("an unknown activation gives %v", err)
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
