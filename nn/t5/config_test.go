package t5_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/t5"
)

func TestConfig(t *testing.T) {
	small := t5.Config{ // of google-t5/t5-small, all defaults
		Architecture: t5.Generation, VocabSize: 32128, DModel: 512, DKV: 64, DFF: 2048, NumLayers: 6, NumDecoderLayers: 6, NumHeads: 8,
		RelativeAttentionNumBuckets: 32, RelativeAttentionMaxDistance: 128, LayerNormEpsilon: 1e-6, Activation: "relu",
		ScaleDecoderOutputs: true, TieWordEmbeddings: true,
	}
	gated := func(c *t5.Config) {
		c.Activation, c.Gated, c.ScaleDecoderOutputs, c.TieWordEmbeddings = "gelu_new", true, false, false
	}
	tied := func(c *t5.Config) { // whatever the head is: the checkpoint says
		gated(c)
		c.TieWordEmbeddings = true
	}
	for _, c := range []struct {
		file   string
		change func(*t5.Config)
	}{
		{`{}`, func(*t5.Config) {}},
		{`{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "n_positions": 512, "output_past": true, "dropout_rate": 0.1,
			"is_encoder_decoder": true, "task_specific_params": {"summarization": {"prefix": "summarize: "}}, "num_decoder_layers": null}`, func(*t5.Config) {}},
		{`{"num_layers": 3, "num_decoder_layers": 2, "decoder_start_token_id": 7, "pad_token_id": 5}`, func(c *t5.Config) {
			c.NumLayers, c.NumDecoderLayers, c.DecoderStartTokenID, c.PadTokenID = 3, 2, 7, 5
		}},
		{`{"num_layers": 3, "pad_token_id": 5}`, func(c *t5.Config) {
			c.NumLayers, c.NumDecoderLayers, c.DecoderStartTokenID, c.PadTokenID = 3, 3, 5, 5
		}},
		// v1.1 as it was published, and as transformers 5 writes it.
		{`{"feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}`, gated},
		{`{"feed_forward_proj": "gated-gelu", "tie_word_embeddings": true, "scale_decoder_outputs": false, "dense_act_fn": "gelu_new", "is_gated_act": true}`, tied},
		{`{"feed_forward_proj": "gated-silu", "tie_word_embeddings": false, "scale_decoder_outputs": true}`, func(c *t5.Config) {
			c.Activation, c.Gated, c.TieWordEmbeddings = "silu", true, false
		}},
		{`{"feed_forward_proj": "gelu", "architectures": ["T5EncoderModel"], "is_encoder_decoder": false, "classifier_dropout": 0.1}`, func(c *t5.Config) {
			c.Activation, c.Architecture = "gelu", t5.Encoder
		}},
	} {
		want := small
		c.change(&want)
		var got t5.Config
		if err := json.Unmarshal([]byte(c.file), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", c.file, got, err, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{`{"model_type": "mt5"}`, `model_type = "mt5"`},
		{`{"architectures": ["T5ForQuestionAnswering"]}`, `["T5ForQuestionAnswering"]: must be one of T5ForConditionalGeneration, T5EncoderModel`},
		{`{"architectures": ["T5EncoderModel", "T5Model"]}`, `architectures = ["T5EncoderModel","T5Model"]: must be one of`},
		{`{"is_decoder": true}`, "is_decoder = true"},
		{`{"feed_forward_proj": "gated"}`, "feed_forward_proj"},
		{`{"feed_forward_proj": "gated-gated-gelu"}`, "feed_forward_proj"},
		{`{"feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu"}`, `dense_act_fn = "gelu": must be "gelu_new"`},
		{`{"is_gated_act": true}`, "is_gated_act = true: must be false"},
		{`{"d_model": 0}`, "d_model = 0"},
		{`{"d_kv": -1}`, "d_kv = -1"},
		{`{"d_ff": 1e99}`, "d_ff"},
		{`{"num_heads": []}`, "num_heads"},
		{`{"num_layers": 5000}`, "num_layers = 5000"},
		{`{"num_decoder_layers": 0}`, "num_decoder_layers = 0"},
		{`{"vocab_size": "x"}`, "vocab_size"},
		{`{"relative_attention_num_buckets": 3}`, "relative_attention_num_buckets = 3: must be at least 4"},
		{`{"relative_attention_max_distance": 16}`, "relative_attention_max_distance = 16: must be above half of relative_attention_num_buckets = 32"},
		{`{"pad_token_id": 32128}`, "pad_token_id = 32128: must be below vocab_size"},
		{`{"decoder_start_token_id": -1}`, "decoder_start_token_id = -1"},
		{`{"layer_norm_epsilon": -1e-6}`, "layer_norm_epsilon"},
		{`{"d_kv": 16777216, "num_heads": 16777216}`, "parameters"},
		{`{"d_ff": 16777216, "d_model": 1048576}`, "parameters"},
		{`{"tie_word_embeddings": 0}`, "tie_word_embeddings"},
		{`{"quantization_config": {"bits": 4}}`, "quantization_config"},
		{`{"tie_encoder_decoder": true}`, "tie_encoder_decoder"},
		{`{"head_dim": 64}`, "head_dim"},
		{`[]`, "config"},
		{`null`, "config: null"},
	} {
		var cfg t5.Config
		err := cfg.UnmarshalJSON([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "t5: config: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", c.file, err, c.want)
		}
		if cfg != (t5.Config{}) {
			t.Errorf("%s: changed the configuration", c.file)
		}
	}
}

// FuzzConfig: no file makes reading, building or running crash.
func FuzzConfig(f *testing.F) {
	const sizes = `"d_model": 3, "d_kv": 2, "d_ff": 4, "num_heads": 2, "num_layers": 1, "vocab_size": 5, `
	for _, s := range []string{
		`{}`, `{` + sizes + `"architectures": ["T5EncoderModel"]}`,
		`{` + sizes + `"relative_attention_num_buckets": 4, "relative_attention_max_distance": 3}`,
		`{` + sizes + `"relative_attention_num_buckets": 5, "relative_attention_max_distance": 16777216}`,
		`{` + sizes + `"feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "num_decoder_layers": 2, "decoder_start_token_id": 4}`,
		`{"d_kv": -1, "num_heads": 0}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var cfg t5.Config
		if cfg.UnmarshalJSON(file) != nil {
			return
		}
		left := 1 << 16
		m, err := t5.Build(cfg, nn.Floats(func(_ string, shape ...int) ([]float32, error) {
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
		c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 2, IDs: []int32{0, 0}}
		c.Decoder = &nn.Context{Batch: 1, Tokens: 3, IDs: m.ShiftRight([]int32{0, -100, 0}, 3)}
		wantRows, wantCols := 3, cfg.VocabSize
		if cfg.Architecture == t5.Encoder {
			wantRows, wantCols = 2, cfg.DModel
		}
		if rows, cols := ag.Dims(m.Forward(c)); rows != wantRows || cols != wantCols {
			t.Errorf("%+v: the outputs are %d×%d, want %d×%d", cfg, rows, cols, wantRows, wantCols)
		}
	})
}
