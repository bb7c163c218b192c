package vit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/vit"
)

func TestConfig(t *testing.T) {
	want := vit.Config{
		HiddenSize: 48, IntermediateSize: 96, NumHiddenLayers: 2, NumAttentionHeads: 4, HiddenAct: "gelu",
		LayerNormEps: 1e-12, QKVBias: true, ImageSize: 32, PatchSize: 8, NumChannels: 3, NumLabels: 5, Task: nn.Classification,
	}
	if cfg := config(t); cfg != want || cfg.Tokens() != 17 {
		t.Errorf("config.json: %+v, want %+v", cfg, want)
	}

	base := vit.Config{
		HiddenSize: 768, IntermediateSize: 3072, NumHiddenLayers: 12, NumAttentionHeads: 12, HiddenAct: "gelu",
		LayerNormEps: 1e-12, QKVBias: true, ImageSize: 224, PatchSize: 16, NumChannels: 3,
	}
	classifier := func(labels int, task nn.Task) vit.Config {
		c := base
		c.NumLabels, c.Task = labels, task
		return c
	}
	features := func(act string, size int) vit.Config {
		c := base
		c.Task, c.Pooler, c.PoolerAct, c.PoolerOutputSize = nn.Features, true, act, size
		return c
	}
	for _, c := range []struct {
		json string
		want vit.Config
	}{
		{`{"architectures": ["ViTForImageClassification"]}`, classifier(2, nn.Classification)},
		{`{"architectures": ["ViTForImageClassification"], "id2label": {"0": "a"}, "pooler_act": "no matter"}`, classifier(1, nn.Regression)},
		{`{"architectures": ["ViTForImageClassification"], "num_labels": 3, "problem_type": "multi_label_classification"}`, classifier(3, nn.MultiLabel)},
		{`{"architectures": ["ViTModel"], "model_type": "vit", "hidden_dropout_prob": 0.1, "encoder_stride": 16, "id2label": {"0": "a"}}`, features("tanh", 768)},
		{`{"architectures": ["ViTModel"], "pooler_act": "gelu", "pooler_output_size": 9, "quantization_config": null}`, features("gelu", 9)},
		{`{"architectures": ["ViTModel"], "pooler_output_size": null}`, features("tanh", 768)},
	} {
		var cfg vit.Config
		if err := json.Unmarshal([]byte(c.json), &cfg); err != nil || cfg != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.json, cfg, err, c.want)
		}
	}
}

// hostile are configurations that are refused, and what the error must name.
var hostile = []struct{ json, want string }{
	{`{"architectures": ["ViTForMaskedImageModeling"]}`, `architectures begins with "ViTForMaskedImageModeling": must be ViTForImageClassification or ViTModel`},
	{`{}`, "architectures"},
	{`{"architectures": "ViTModel"}`, "architectures"},
	{`{"architectures": ["ViTModel"], "model_type": "deit"}`, `model_type = "deit": must be "vit"`},
	{`{"architectures": ["ViTModel"], "hidden_act": "step"}`, "hidden_act"},
	{`{"architectures": ["ViTModel"], "hidden_act": 3}`, "hidden_act"},
	{`{"architectures": ["ViTModel"], "pooler_act": "step"}`, "pooler_act"},
	{`{"architectures": ["ViTModel"], "pooler_output_size": -1}`, "pooler_output_size"},
	{`{"architectures": ["ViTModel"], "image_size": [32, 64]}`, "image_size = [32,64]: must be a whole number"},
	{`{"architectures": ["ViTModel"], "patch_size": [8, 8]}`, "patch_size"},
	{`{"architectures": ["ViTModel"], "patch_size": 0}`, "patch_size = 0"},
	{`{"architectures": ["ViTModel"], "patch_size": 225}`, "patch_size = 225: must be at most image_size = 224"},
	{`{"architectures": ["ViTModel"], "image_size": 16777216, "patch_size": 1}`, "parameters"},
	{`{"architectures": ["ViTModel"], "image_size": 16777216, "patch_size": 16777216}`, "parameters"},
	{`{"architectures": ["ViTModel"], "hidden_size": 16777216, "num_attention_heads": 1}`, "parameters"},
	{`{"architectures": ["ViTModel"], "intermediate_size": 16777216, "num_hidden_layers": 4096}`, "parameters"},
	{`{"architectures": ["ViTModel"], "pooler_output_size": 16777216, "hidden_size": 65536, "num_attention_heads": 1, "num_hidden_layers": 1}`, "parameters"},
	{`{"architectures": ["ViTModel"], "hidden_size": 1e99}`, "hidden_size"},
	{`{"architectures": ["ViTModel"], "num_attention_heads": 7}`, "hidden_size = 768: must be a multiple of num_attention_heads = 7"},
	{`{"architectures": ["ViTModel"], "num_attention_heads": 0}`, "num_attention_heads"},
	{`{"architectures": ["ViTModel"], "num_channels": -3}`, "num_channels"},
	{`{"architectures": ["ViTModel"], "num_hidden_layers": 2.5}`, "num_hidden_layers"},
	{`{"architectures": ["ViTModel"], "layer_norm_eps": 0}`, "layer_norm_eps"},
	{`{"architectures": ["ViTModel"], "qkv_bias": "yes"}`, "qkv_bias"},
	{`{"architectures": ["ViTModel"], "head_dim": 32}`, "head_dim = 32: not known here"},
	{`{"architectures": ["ViTModel"], "quantization_config": {"bits": 4}}`, "quantization_config"},
	{`{"architectures": ["ViTForImageClassification"], "num_labels": 3, "id2label": {"0": "a"}}`, "num_labels = 3"},
	{`{"architectures": ["ViTForImageClassification"], "num_labels": 0}`, "num_labels"},
	{`{"architectures": ["ViTForImageClassification"], "problem_type": "ranking"}`, "problem_type"},
	{`[]`, "config"},
	{`null`, "null"},
	{strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), "deeper"},
}

func TestConfigErrors(t *testing.T) {
	for _, c := range hostile {
		var cfg vit.Config
		err := cfg.UnmarshalJSON([]byte(c.json))
		if err == nil || !strings.HasPrefix(err.Error(), "vit: config: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
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
	f.Add([]byte(`{"architectures": ["ViTForImageClassification"], "id2label": {"0": "a", "1": "b"}, "image_size": 32, "patch_size": 8}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var cfg vit.Config
		err := cfg.UnmarshalJSON(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "vit: config: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		if n := float64(cfg.Tokens()) * float64(cfg.HiddenSize); !(n >= 1 && n <= 1<<39) || cfg.HiddenSize%cfg.NumAttentionHeads != 0 {
			t.Errorf("%+v is taken", cfg)
		}
	})
}
