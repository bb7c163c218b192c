package bert_test

import (
	"encoding/json"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
)

// base is the config.json of bert-base-uncased.
const base = `{"architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1, "gradient_checkpointing": false,
	"hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
	"layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12, "num_hidden_layers": 12,
	"pad_token_id": 0, "position_embedding_type": "absolute", "transformers_version": "4.6.0.dev0", "type_vocab_size": 2, "use_cache": true,
	"vocab_size": 30522}`

// tiny is a configuration whose model is made in no time.
const tiny = `{"architectures": ["BertForSequenceClassification"], "hidden_size": 4, "intermediate_size": 4, "max_position_embeddings": 3,
	"num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 5}`

func TestConfig(t *testing.T) {
	for text, want := range map[string]bert.Config{
		base: {
			Head: bert.MaskedLM, VocabSize: 30522, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072,
			HiddenAct: "gelu", MaxPositionEmbeddings: 512, TypeVocabSize: 2, LayerNormEps: 1e-12, Task: nn.Token, TieWordEmbeddings: true, PositionPadding: -1,
		},
		tiny: {
			Head: bert.SequenceClassifier, VocabSize: 5, HiddenSize: 4, NumHiddenLayers: 1, NumAttentionHeads: 2, IntermediateSize: 4,
			HiddenAct: "gelu", MaxPositionEmbeddings: 3, TypeVocabSize: 2, LayerNormEps: 1e-12, Labels: 2, Task: nn.Classification, TieWordEmbeddings: true, PositionPadding: -1,
		},
		`{"architectures": ["BertModel"], "hidden_act": "relu", "hidden_size": 4, "intermediate_size": 4, "layer_norm_eps": 0.5, "max_position_embeddings": 3,
			"num_attention_heads": 2, "num_hidden_layers": 1, "tie_word_embeddings": false, "type_vocab_size": 1, "vocab_size": 5}`: {
			Head: bert.Bare, VocabSize: 5, HiddenSize: 4, NumHiddenLayers: 1, NumAttentionHeads: 2, IntermediateSize: 4,
			HiddenAct: "relu", MaxPositionEmbeddings: 3, TypeVocabSize: 1, LayerNormEps: 0.5, Task: nn.Features, PositionPadding: -1,
		},
	} {
		var cfg bert.Config
		if err := json.Unmarshal([]byte(text), &cfg); err != nil || cfg != want {
			t.Errorf("%s:\n%+v, %v, want\n%+v", text, cfg, err, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	read := func(b []byte) error { return new(bert.Config).UnmarshalJSON(b) }
	const key = "bert: config: "
	berttest.CheckConfigs(t, base, read, [][2]string{
		{`"classifier_dropout": null, "id2label": {"0": "A"}, "problem_type": "what"`, ""},
		{`"hidden_act": null, "is_decoder": false, "add_cross_attention": false, "pooler_type": "first_token_transform"`, ""},
		{`"architectures": ["BertForSequenceClassification"], "id2label": {"0": "A"}`, ""},
		{`"architectures": ["BertForQuestionAnswering"]`, key + `architectures = ["BertForQuestionAnswering"]: must be one of BertModel, BertForMaskedLM, BertForSequenceClassification`},
		{`"architectures": ["RobertaModel"]`, key + "architectures"},
		{`"architectures": ["BertModel", "BertForMaskedLM"]`, key + "architectures"},
		{`"architectures": []`, key + "architectures"},
		{`"architectures": "absent"`, key + "architectures"},
		{`"architectures": "BertModel"`, key + "architectures"},
		{`"architectures": ["BertForSequenceClassification"], "problem_type": "what"`, key + "problem_type"},
		{`"architectures": ["BertForSequenceClassification"], "num_labels": 3, "id2label": {"0": "A"}`, key + "num_labels"},
		{`"model_type": "roberta"`, key + "model_type"},
		{`"is_decoder": true`, key + "is_decoder"},
		{`"add_cross_attention": true`, key + "add_cross_attention"},
		{`"position_embedding_type": "relative_key"`, key + `position_embedding_type = "relative_key"`},
		{`"hidden_act": "mish"`, key + `hidden_act: "mish"`},
		{`"hidden_act": {"a": 1}`, key + "hidden_act"},
		{`"hidden_size": 770`, key + "hidden_size = 770: must be a multiple of num_attention_heads = 12"},
		{`"hidden_size": "absent"`, key + "hidden_size is missing"},
		{`"hidden_size": -768`, key + "hidden_size"},
		{`"hidden_size": 768.5`, key + "hidden_size"},
		{`"hidden_size": "768"`, key + "hidden_size"},
		{`"hidden_size": 65532, "intermediate_size": 16777216, "num_hidden_layers": 4096`, key + "the model would have"},
		{`"vocab_size": 16777216, "hidden_size": 65532`, key + "the model would have"},
		{`"num_attention_heads": 0`, key + "num_attention_heads"},
		{`"num_hidden_layers": 1000000`, key + "num_hidden_layers"},
		{`"vocab_size": 1e99`, key + "vocab_size"},
		{`"type_vocab_size": 0`, key + "type_vocab_size"},
		{`"max_position_embeddings": 0`, key + "max_position_embeddings"},
		{`"intermediate_size": null`, key + "intermediate_size"},
		{`"layer_norm_eps": 0`, key + "layer_norm_eps"},
		{`"layer_norm_eps": 1e300`, key + "layer_norm_eps"},
		{`"tie_word_embeddings": 1`, key + "tie_word_embeddings"},
		{`"embedding_size": 128`, key + "embedding_size"},
		{`"quantization_config": {"bits": 4}`, key + "quantization_config"},
	})
	for _, text := range []string{"", "null", "[]", "{", `{"a": 1} 2`, "\x00"} {
		if err := read([]byte(text)); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

// FuzzConfig: no configuration makes reading, building or running a model
// panic.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(tiny))
	f.Add([]byte(`{"architectures": ["BertModel"], "hidden_size": -1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var cfg bert.Config
		if cfg.UnmarshalJSON(b) != nil {
			return
		}
		m, err := bert.Build(cfg, berttest.Zeros())
		if err != nil {
			return
		}
		m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 1, IDs: []int32{0}})
	})
}
