package clip_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn/clip"
)

func TestConfig(t *testing.T) {
	want := clip.Config{
		HiddenSize: 48, IntermediateSize: 96, NumHiddenLayers: 2, NumAttentionHeads: 4, HiddenAct: "quick_gelu",
		LayerNormEps: 1e-5, ImageSize: 32, PatchSize: 8, NumChannels: 3, ProjectionDim: 32,
	}
	if cfg := config(t); cfg != want || cfg.Tokens() != 17 {
		t.Errorf("config.json: %+v, want %+v", cfg, want)
	}

	base := func(projection int) clip.Config {
		return clip.Config{
			HiddenSize: 768, IntermediateSize: 3072, NumHiddenLayers: 12, NumAttentionHeads: 12, HiddenAct: "quick_gelu",
			LayerNormEps: 1e-5, ImageSize: 224, PatchSize: 32, NumChannels: 3, ProjectionDim: projection,
		}
	}
	for _, c := range []struct {
		json string
		want clip.Config
	}{
		{`{"architectures": ["CLIPVisionModelWithProjection"]}`, base(512)},
		{`{"architectures": ["CLIPVisionModelWithProjection"], "projection_dim": 7, "dropout": 0.1, "attention_dropout": 0.1, "initializer_factor": 1.0}`, base(7)},
		{`{"architectures": ["CLIPVisionModel"], "projection_dim": 7, "model_type": "clip_vision_model"}`, base(0)},
	} {
		var cfg clip.Config
		if err := json.Unmarshal([]byte(c.json), &cfg); err != nil || cfg != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.json, cfg, err, c.want)
		}
	}
}

// hostile are configurations that are refused, and what the error must name.
var hostile = []struct{ json, want string }{
	{`{"architectures": ["CLIPModel"]}`, `architectures begins with "CLIPModel": must be CLIPVisionModelWithProjection or CLIPVisionModel`},
	{`{}`, "architectures"},
	{`{"architectures": "CLIPVisionModel"}`, "architectures"},
	{`{"architectures": ["CLIPVisionModel"], "model_type": "clip"}`, `model_type = "clip": must be "clip_vision_model"`},
	{`{"architectures": ["CLIPVisionModel"], "hidden_act": "step"}`, "hidden_act"},
	{`{"architectures": ["CLIPVisionModel"], "hidden_act": 3}`, "hidden_act"},
	{`{"architectures": ["CLIPVisionModelWithProjection"], "projection_dim": 0}`, "projection_dim = 0"},
	{`{"architectures": ["CLIPVisionModelWithProjection"], "projection_dim": 16777216, "hidden_size": 65536, "num_attention_heads": 1, "num_hidden_layers": 1}`, "parameters"},
	{`{"architectures": ["CLIPVisionModel"], "image_size": [32, 64]}`, "image_size = [32,64]: must be a whole number"},
	{`{"architectures": ["CLIPVisionModel"], "patch_size": [8, 8]}`, "patch_size"},
	{`{"architectures": ["CLIPVisionModel"], "patch_size": 0}`, "patch_size = 0"},
	{`{"architectures": ["CLIPVisionModel"], "patch_size": 225}`, "patch_size = 225: must be at most image_size = 224"},
	{`{"architectures": ["CLIPVisionModel"], "image_size": 16777216, "patch_size": 1}`, "parameters"},
	{`{"architectures": ["CLIPVisionModel"], "image_size": 16777216, "patch_size": 16777216}`, "parameters"},
	{`{"architectures": ["CLIPVisionModel"], "hidden_size": 16777216, "num_attention_heads": 1}`, "parameters"},
	{`{"architectures": ["CLIPVisionModel"], "intermediate_size": 16777216, "num_hidden_layers": 4096}`, "parameters"},
	{`{"architectures": ["CLIPVisionModel"], "hidden_size": 1e99}`, "hidden_size"},
	{`{"architectures": ["CLIPVisionModel"], "num_attention_heads": 7}`, "hidden_size = 768: must be a multiple of num_attention_heads = 7"},
	{`{"architectures": ["CLIPVisionModel"], "num_attention_heads": 0}`, "num_attention_heads"},
	{`{"architectures": ["CLIPVisionModel"], "num_channels": -3}`, "num_channels"},
	{`{"architectures": ["CLIPVisionModel"], "num_hidden_layers": 2.5}`, "num_hidden_layers"},
	{`{"architectures": ["CLIPVisionModel"], "layer_norm_eps": 0}`, "layer_norm_eps"},
	{`{"architectures": ["CLIPVisionModel"], "use_window": 32}`, "use_window = 32: not known here"},
	{`{"architectures": ["CLIPVisionModel"], "quantization_config": {"bits": 4}}`, "quantization_config"},
	{`[]`, "config"},
	{`null`, "null"},
	{strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), "deeper"},
}

func TestConfigErrors(t *testing.T) {
	for _, c := range hostile {
		var cfg clip.Config
		err := cfg.UnmarshalJSON([]byte(c.json))
		if err == nil || !strings.HasPrefix(err.Error(), "clip: config: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.100s: error %v, want one with %s", c.json, err, c.want)
		}
	}
}

// FuzzConfig: any bytes are an error of one line or a configuration of bounded
// size.
func FuzzConfig(f *testing.F) {
	for _, c := range hostile {
		f.Add([]byte(c.json))
	}
	f.Add([]byte(`{"architectures": ["CLIPVisionModelWithProjection"], "projection_dim": 4, "image_size": 32, "patch_size": 8}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var cfg clip.Config
		err := cfg.UnmarshalJSON(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "clip: config: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		if n := float64(cfg.Tokens()) * float64(cfg.HiddenSize); !(n >= 1 && n <= 1<<39) || cfg.HiddenSize%cfg.NumAttentionHeads != 0 {
			t.Errorf("%+v is taken", cfg)
		}
	})
}
