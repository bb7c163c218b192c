package roberta_test

import (
	"encoding/json"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
	"github.com/lowrank/lowrank/nn/roberta"
)

// base is the config.json of roberta-base.
const base = `{"architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "eos_token_id": 2,
	"hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
	"layer_norm_eps": 1e-05, "max_position_embeddings": 514, "model_type": "roberta", "num_attention_heads": 12,
	"num_hidden_layers": 12, "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": 50265}`

// tiny is a configuration whose model is made in no time.
const tiny = `{"architectures": ["RobertaForSequenceClassification"], "hidden_size": 4, "intermediate_size": 4,
	"max_position_embeddings": 5, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 6}`

func TestConfig(t *testing.T) {
	want := roberta.Config{Config: bert.Config{
		PadTokenID: 1, PositionPadding: 1,
		Head: bert.MaskedLM, VocabSize: 50265, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072,
		HiddenAct: "gelu", MaxPositionEmbeddings: 514, TypeVocabSize: 1, LayerNormEps: 1e-5, Task: nn.Token, TieWordEmbeddings: true,
	}}
	var cfg roberta.Config
	if err := json.Unmarshal([]byte(base), &cfg); err != nil || cfg != want {
		t.Errorf("%+v, %v, want\n%+v", cfg, err, want)
	}
}

func TestConfigRefuses(t *testing.T) {
	read := func(b []byte) error { return new(roberta.Config).UnmarshalJSON(b) }
	const key = "roberta: config: "
	berttest.CheckConfigs(t, base, read, [][2]string{
		{`"pad_token_id": "absent"`, ""},
		{`"pad_token_id": 512`, ""},
		{`"pad_token_id": 513`, key + "max_position_embeddings = 514: must be more than pad_token_id + 1 = 514"},
		{`"pad_token_id": 60000, "max_position_embeddings": 70000`, key + "pad_token_id = 60000: must be below vocab_size = 50265"},
		{`"pad_token_id": -1`, key + "pad_token_id"},
		{`"architectures": ["BertModel"]`, key + `architectures = ["BertModel"]: must be one of RobertaModel, RobertaForMaskedLM, RobertaForSequenceClassification`},
		{`"architectures": "absent"`, key + "architectures"},
		{`"model_type": "xlm-roberta"`, key + "model_type"},
		{`"is_decoder": true`, key + "is_decoder"},
		{`"hidden_size": 770`, key + "hidden_size"},
		{`"some_scale": 2`, key + "some_scale"},
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
	f.Add([]byte(`{"architectures": ["RobertaModel"], "pad_token_id": 16777216}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var cfg roberta.Config
		if cfg.UnmarshalJSON(b) != nil {
			return
		}
		m, err := roberta.Build(cfg, berttest.Zeros())
		if err != nil {
			return
		}
		m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 1, IDs: []int32{0}})
	})
}
