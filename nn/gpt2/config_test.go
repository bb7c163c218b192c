package gpt2_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/gpt2"
)

func TestConfig(t *testing.T) {
	full := gpt2.Config{ // of openai-community/gpt2, all defaults
		Architecture: gpt2.LMHead, VocabSize: 50257, NPositions: 1024, NEmbd: 768, NLayer: 12, NHead: 12, NInner: 3072,
		ActivationFunction: "gelu_new", LayerNormEpsilon: 1e-5, ScaleAttnWeights: true, TieWordEmbeddings: true, PadTokenID: -1,
	}
	for _, c := range []struct {
		file   string
		change func(*gpt2.Config)
	}{
		{`{}`, func(*gpt2.Config) {}},
		{`{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_ctx": 1024, "attn_pdrop": 0.1, "summary_type": "cls_index",
			"summary_use_proj": true, "task_specific_params": {"text-generation": {"do_sample": true}}, "n_inner": null,
			"add_cross_attention": false, "reorder_and_upcast_attn": true, "pad_token_id": 7}`, func(*gpt2.Config) {}},
		{`{"n_embd": 32, "n_head": 4, "scale_attn_weights": false, "scale_attn_by_inverse_layer_idx": true, "tie_word_embeddings": false}`, func(c *gpt2.Config) {
			c.NEmbd, c.NHead, c.NInner = 32, 4, 128
			c.ScaleAttnWeights, c.ScaleAttnByInverseLayerIdx, c.TieWordEmbeddings = false, true, false
		}},
		{`{"architectures": ["GPT2Model"], "n_inner": 10, "activation_function": "relu"}`, func(c *gpt2.Config) {
			c.Architecture, c.NInner, c.ActivationFunction = gpt2.Base, 10, "relu"
		}},
		{`{"architectures": ["GPT2ForSequenceClassification"], "id2label": {"0": "no", "1": "yes", "2": "?"}, "pad_token_id": 7}`, func(c *gpt2.Config) {
			c.Architecture, c.NumLabels, c.Problem, c.PadTokenID = gpt2.Classifier, 3, nn.Classification, 7
		}},
		{`{"architectures": ["GPT2ForSequenceClassification"], "num_labels": 1}`, func(c *gpt2.Config) {
			c.Architecture, c.NumLabels, c.Problem = gpt2.Classifier, 1, nn.Regression
		}},
	} {
		want := full
		c.change(&want)
		var got gpt2.Config
		if err := json.Unmarshal([]byte(c.file), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", c.file, got, err, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{`{"model_type": "gpt_neo"}`, `model_type = "gpt_neo"`},
		{`{"architectures": ["GPT2DoubleHeadsModel"]}`, `["GPT2DoubleHeadsModel"]: must be one of GPT2LMHeadModel, GPT2ForSequenceClassification, GPT2Model`},
		{`{"architectures": ["GPT2Model", "GPT2LMHeadModel"]}`, `architectures = ["GPT2Model","GPT2LMHeadModel"]: must be one of`},
		{`{"architectures": "GPT2Model"}`, "architectures"},
		{`{"architectures": ["a\nb"]}`, "architectures"},
		{`{"add_cross_attention": true}`, "add_cross_attention = true"},
		{`{"activation_function": "gelu_fast"}`, "activation_function"},
		{`{"n_embd": 30, "n_head": 4}`, "n_embd = 30: must be a multiple of n_head = 4"},
		{`{"n_embd": 0}`, "n_embd = 0"},
		{`{"n_head": -1}`, "n_head = -1"},
		{`{"n_layer": 1e9}`, "n_layer"},
		{`{"n_positions": "many"}`, "n_positions"},
		{`{"n_inner": 99999999999}`, "n_inner"},
		{`{"vocab_size": 1.5}`, "vocab_size"},
		{`{"n_embd": 16777216, "n_head": 1}`, "n_inner = 67108864"},
		{`{"n_embd": 1048576, "n_head": 1}`, "parameters"},
		{`{"layer_norm_epsilon": 0}`, "layer_norm_epsilon = 0"},
		{`{"scale_attn_weights": 1}`, "scale_attn_weights"},
		{`{"quantization_config": {"bits": 4}}`, "quantization_config"},
		{`{"hidden_size": 12}`, "hidden_size"},
		{`{"architectures": ["GPT2ForSequenceClassification"], "pad_token_id": -2}`, "pad_token_id = -2"},
		{`{"architectures": ["GPT2ForSequenceClassification"], "problem_type": "ranking"}`, "problem_type"},
		{`{"architectures": ["GPT2ForSequenceClassification"], "num_labels": 0}`, "num_labels"},
		{`[]`, "config"},
		{`null`, "config: null"},
	} {
		var cfg gpt2.Config
		err := cfg.UnmarshalJSON([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "gpt2: config: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", c.file, err, c.want)
		}
		if cfg != (gpt2.Config{}) {
			t.Errorf("%s: changed the configuration", c.file)
		}
	}
}

// FuzzConfig: no file makes reading, building or running crash.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"architectures": ["GPT2Model"]}`, `{"n_embd": 4, "n_head": 2, "n_layer": 1, "vocab_size": 5, "n_positions": 1}`,
		`{"architectures": ["GPT2ForSequenceClassification"], "n_embd": 1, "n_head": 1, "n_layer": 2, "vocab_size": 1, "num_labels": 3, "pad_token_id": 0, "n_inner": 2}`,
		`{"n_embd": -1, "n_head": 0}`, `{"activation_function": "tanh", "n_embd": 6, "n_head": 3, "vocab_size": 2, "tie_word_embeddings": false}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var cfg gpt2.Config
		if cfg.UnmarshalJSON(file) != nil {
			return
		}
		left := 1 << 16
		m, err := gpt2.Build(cfg, nn.Floats(func(_ string, shape ...int) ([]float32, error) {
			n := 1
			for _, d := range shape {
				n *= d
			}
			if left -= n; left < 0 {
				return nil, errors.New("large")
			}
			return make([]float32, n), nil
		}))
		if err != nil {
			return
		}
		c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 1, IDs: []int32{0}}
		rows, cols := ag.Dims(m.Forward(c))
		want := map[string]int{gpt2.LMHead: cfg.VocabSize, gpt2.Classifier: cfg.NumLabels, gpt2.Base: cfg.NEmbd}[cfg.Architecture]
		if rows != 1 || cols != want {
			t.Errorf("%+v: the outputs are %d×%d, want 1×%d", cfg, rows, cols, want)
		}
	})
}
