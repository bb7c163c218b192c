package distilbert_test

import (
	"encoding/json"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/distilbert"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
)

// base is the config.json of distilbert-base-uncased.
const base = `{"activation": "gelu", "architectures": ["DistilBertForMaskedLM"], "attention_dropout": 0.1, "dim": 768, "dropout": 0.1,
	"hidden_dim": 3072, "initializer_range": 0.02, "max_position_embeddings": 512, "model_type": "distilbert", "n_heads": 12,
	"n_layers": 6, "pad_token_id": 0, "qa_dropout": 0.1, "seq_classif_dropout": 0.2, "sinusoidal_pos_embds": false,
	"tie_weights_": true, "transformers_version": "4.10.0.dev0", "vocab_size": 30522}`

// tiny is a configuration whose model is made in no time.
const tiny = `{"architectures": ["DistilBertForSequenceClassification"], "dim": 4, "hidden_dim": 4, "max_position_embeddings": 3,
	"n_heads": 2, "n_layers": 1, "vocab_size": 5}`

func TestConfig(t *testing.T) {
	want := distilbert.Config{
		Head: bert.MaskedLM, VocabSize: 30522, Dim: 768, NumLayers: 6, NumHeads: 12, HiddenDim: 3072,
		Activation: "gelu", MaxPositionEmbeddings: 512, Task: nn.Token, TieWordEmbeddings: true,
	}
	var cfg distilbert.Config
	if err := json.Unmarshal([]byte(base), &cfg); err != nil || cfg != want {
		t.Errorf("%+v, %v, want\n%+v", cfg, err, want)
	}
}

func TestConfigRefuses(t *testing.T) {
	read := func(b []byte) error { return new(distilbert.Config).UnmarshalJSON(b) }
	const key = "distilbert: config: "
	berttest.CheckConfigs(t, base, read, [][2]string{
		{`"sinusoidal_pos_embds": true`, ""},
		{`"architectures": ["DistilBertForQuestionAnswering"]`, key + `architectures = ["DistilBertForQuestionAnswering"]: must be one of DistilBertModel, DistilBertForMaskedLM, DistilBertForSequenceClassification`},
		{`"architectures": "absent"`, key + "architectures"},
		{`"model_type": "bert"`, key + "model_type"},
		{`"activation": "mish"`, key + `activation: "mish"`},
		{`"dim": 770`, key + "dim = 770: must be a multiple of n_heads = 12"},
		{`"dim": "absent"`, key + "dim is missing"},
		{`"n_heads": 0`, key + "n_heads"},
		{`"n_layers": 1e9`, key + "n_layers"},
		{`"hidden_dim": 1.5`, key + "hidden_dim"},
		{`"vocab_size": -1`, key + "vocab_size"},
		{`"max_position_embeddings": null`, key + "max_position_embeddings"},
		{`"dim": 65532, "vocab_size": 16777216`, key + "the model would have"},
		{`"dim": 65532, "hidden_dim": 16777216, "n_layers": 4096`, key + "the model would have"},
		{`"layer_norm_eps": 0.1`, key + "layer_norm_eps"},
		{`"hidden_size": 768`, key + "hidden_size"},
	})
	if err := read([]byte("null")); err == nil {
		t.Error("null is no error")
	}
}

// FuzzConfig: no configuration makes reading, building or running a model
// panic.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(tiny))
	f.Add([]byte(`{"architectures": ["DistilBertModel"], "dim": -1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var cfg distilbert.Config
		if cfg.UnmarshalJSON(b) != nil {
			return
		}
		m, err := distilbert.Build(cfg, berttest.Zeros())
		if err != nil {
			return
		}
		m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 1, IDs: []int32{0}})
	})
}
