package llama_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
)

// FuzzConfig: whatever a config.json holds, reading it is an error or gives a
// model that runs on a token.
func FuzzConfig(f *testing.F) {
	const required = `"hidden_size": 4, "intermediate_size": 2, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 5, "max_position_embeddings": 3`
	for _, more := range []string{
		``, `, "model_type": "mistral", "sliding_window": 2, "num_key_value_heads": 1`,
		`, "model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true, "sliding_window": 1, "max_window_layers": 1, "layer_types": ["full_attention", "sliding_attention"]`,
		`, "model_type": "qwen3", "num_key_value_heads": 1, "head_dim": 2, "tie_word_embeddings": true`,
		`, "rope_scaling": {"type": "linear", "factor": 2}, "attention_bias": true, "mlp_bias": true, "pad_token_id": 3`,
		`, "rope_parameters": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}`,
		`, "architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "a"}, "problem_type": "regression"`,
		`, "head_dim": -1`, `, "num_key_value_heads": 3`, `, "rms_norm_eps": 1e400`, `, "layer_types": 7`,
	} {
		f.Add([]byte("{" + required + more + "}"))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var cfg llama.Config
		if json.Unmarshal(file, &cfg) != nil {
			return
		}
		left := 1 << 16
		m, err := llama.Build(cfg, nn.Floats(func(_ string, shape ...int) ([]float32, error) {
			n := 1
			for _, d := range shape {
				n *= d
			}
			if left -= n; left < 0 {
				return nil, errors.New("large")
			}
			return make([]float32, n), nil
		}))
		if err == nil {
			forward(t, m, 1, []int32{0})
		}
	})
}
