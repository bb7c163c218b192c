package llama_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn/llama"
)

func TestConfigJSON(t *testing.T) {
	b, err := os.ReadFile("testdata/config.json")
	if err != nil {
		t.Fatal(err)
	}
	want := llama.Config{
		HiddenSize: 48, IntermediateSize: 80, NumHiddenLayers: 2,
		NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 12,
		RMSNormEps: 1e-6, RopeTheta: 10000, VocabSize: 200, MaxPositionEmbeddings: 64, Padded: true,
	}
	var cfg llama.Config
	if err := json.Unmarshal(b, &cfg); err != nil || cfg != want {
		t.Fatalf("config.json: %+v, %v; want %+v", cfg, err, want)
	}

	want.TieWordEmbeddings, want.RopeTheta, want.HeadDim = true, 5e5, 16
	if b, err = json.Marshal(want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cfg); err != nil || cfg != want {
		t.Errorf("after out and in again: %+v, %v; want %+v", cfg, err, want)
	}
}

func TestConfigDefaults(t *testing.T) {
	const required = `"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 100`
	want := llama.Config{
		HiddenSize: 32, IntermediateSize: 64, NumHiddenLayers: 1,
		NumAttentionHeads: 4, NumKeyValueHeads: 4, HeadDim: 8,
		RMSNormEps: 1e-6, RopeTheta: 10000, VocabSize: 100, MaxPositionEmbeddings: 2048,
	}
	for _, c := range []struct {
		more  string
		theta float64
	}{
		{``, 10000},
		{`, "head_dim": null, "rope_scaling": null, "quantization_config": null`, 10000},
		{`, "rope_theta": 500.5`, 500.5},
		{`, "rope_parameters": {"rope_type": "default", "rope_theta": 7}`, 7},
		{`, "pad_token_id": null, "use_cache": true`, 10000},
	} {
		var cfg llama.Config
		want.RopeTheta = c.theta
		if err := json.Unmarshal([]byte("{"+required+c.more+"}"), &cfg); err != nil || cfg != want {
			t.Errorf("with %s: %+v, %v; want %+v", c.more, cfg, err, want)
		}
	}
	for _, c := range []struct{ more, want string }{
		{`, "model_type": "gemma"`, `model_type = "gemma": must be "llama", "mistral", "qwen2" or "qwen3"`},
		{`, "hidden_act": "gelu"`, `hidden_act = "gelu": must be "silu"`},
		{`, "attention_bias": 1`, "attention_bias = 1: must be true or false"},
		{`, "sliding_window": 4`, "sliding_window = 4: must be absent"},
		{`, "logit_scale": 2`, "logit_scale = 2: not known here"},
		{`, "rope_scaling": {"type": "dynamic", "factor": 2}`, `rope_scaling.rope_type = "dynamic"`},
		{`, "rope_scaling": {"type": "linear", "factor": 2, "beta": 1}`, `rope_scaling.beta = 1: not known here`},
		{`, "rope_parameters": {"rope_type": "llama3"}`, `rope_parameters.factor = 0: must be positive`},
		{`, "architectures": ["LlamaForTokenClassification"]`, `architectures = ["LlamaForTokenClassification"]: must be one of LlamaForCausalLM`},
		{`, "quantization_config": {"bits": 4}`, "quantization_config"},
		{`, "hidden_size": 32.5`, "hidden_size"},
		{`, "hidden_size": "32"`, "hidden_size"},
		{`, "vocab_size": 1e99`, "vocab_size"},
	} {
		var cfg llama.Config
		err := json.Unmarshal([]byte("{"+required+c.more+"}"), &cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("with %s: error %v, want one with %s", c.more, err, c.want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := tiny.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*llama.Config)
		want   string
	}{
		{func(c *llama.Config) { c.HiddenSize = 0 }, "hidden_size = 0"},
		{func(c *llama.Config) { c.IntermediateSize = -1 }, "intermediate_size = -1"},
		{func(c *llama.Config) { c.NumHiddenLayers = 1 << 40 }, "num_hidden_layers"},
		{func(c *llama.Config) { c.NumAttentionHeads = 0 }, "num_attention_heads"},
		{func(c *llama.Config) { c.NumKeyValueHeads = 2 }, "num_attention_heads = 3: must be a multiple of num_key_value_heads = 2"},
		{func(c *llama.Config) { c.HeadDim = 9 }, "head_dim = 9: must be even"},
		{func(c *llama.Config) { c.HeadDim = 1 << 24 }, "num_attention_heads·head_dim"},
		{func(c *llama.Config) { c.RMSNormEps = -1 }, "rms_norm_eps"},
		{func(c *llama.Config) { c.RopeTheta = 0 }, "rope_theta"},
		{func(c *llama.Config) { c.VocabSize = 1 << 62 }, "vocab_size"},
		{func(c *llama.Config) { c.MaxPositionEmbeddings = 0 }, "max_position_embeddings"},
		{func(c *llama.Config) { c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers = 1<<24, 1<<24, 1<<12 }, "parameters"},
	} {
		cfg := tiny
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}
