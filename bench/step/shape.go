package step

import (
	"cmp"
	"fmt"
	"math/rand/v2"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/llama"
)

// A Shape is a model, random from a seed, and a batch.
type Shape struct {
	Name           string
	Batch, Tokens  int
	Vocabulary     int
	Hidden, Layers int
	Heads          int
	KVHeads        int // 0: Heads
	Causal         bool
	Rank           int  // of the adapters; 0: Rank
	Checkpoint     bool // of the blocks' activations, see [nn.Context.Block]

	family family
}

// A family makes a shape's model, and its config.json.
type family struct {
	model  func(s Shape, seed uint64) (nn.Model, error)
	build  func(s Shape, source nn.Source) (nn.Model, error) // nil: only of a seed
	config func(s Shape) any
}

// The shapes.
var (
	Encoder = Shape{
		Name: "encoder", Batch: 32, Tokens: 64, Vocabulary: 8192, Hidden: 384, Layers: 6, Heads: 12,
		family: bertOf(1536),
	}
	Decoder = Shape{
		Name: "decoder", Batch: 8, Tokens: 128, Vocabulary: 4096, Hidden: 512, Layers: 8, Heads: 8, Causal: true,
		family: llamaOf(1376),
	}
	Study = Shape{
		Name: "study", Batch: 8, Tokens: 128, Vocabulary: 256, Hidden: 128, Layers: 4, Heads: 4, Causal: true,
		family: llamaOf(344),
	}
	Shapes = []Shape{Encoder, Decoder, Study}

	// Big is a model of 1.1 billion parameters, that of TinyLlama (arXiv 2401.02385),
	// for one sequence.
	Big = Shape{
		Name: "big", Batch: 1, Tokens: 512, Vocabulary: 32000, Hidden: 2048, Layers: 22, Heads: 32, KVHeads: 4, Causal: true,
		Rank: 16, Checkpoint: true, family: llamaOf(5632),
	}
)

// ShapeOf returns the shape of that name.
func ShapeOf(name string) (Shape, error) {
	for _, s := range append(Shapes, Big) {
		if s.Name == name {
			return s, nil
		}
	}
	return Shape{}, fmt.Errorf("no shape %q: there are encoder, decoder and study", name)
}

// Model returns the model of a seed.
func (s Shape) Model(seed uint64) (nn.Model, error) { return s.family.model(s, seed) }

// Config returns what encodes as the model's config.json.
func (s Shape) Config() any { return s.family.config(s) }

// Data returns the batch of a seed: the ids of all tokens, and the labels that
// the model's task has of them, one a token or one a sequence.
func (s Shape) Data(seed uint64, task nn.Task) (ids, labels []int32) {
	rng := rand.New(rand.NewPCG(seed, 1))
	ids = make([]int32, s.Batch*s.Tokens)
	for i := range ids {
		ids[i] = rng.Int32N(int32(s.Vocabulary))
	}
	if task == nn.NextToken {
		return ids, ids
	}
	for i := range s.Batch {
		labels = append(labels, int32(i%2))
	}
	return ids, labels
}

// bertOf are classifiers of two classes with so many features inside a
// feed-forward layer.
func bertOf(inside int) family {
	const positions, types, labels, eps = 512, 2, 2, 1e-12
	return family{
		model: func(s Shape, seed uint64) (nn.Model, error) {
			return bert.Build(bert.Config{
				Head: bert.SequenceClassifier, VocabSize: s.Vocabulary, HiddenSize: s.Hidden, NumHiddenLayers: s.Layers,
				NumAttentionHeads: s.Heads, IntermediateSize: inside, HiddenAct: "gelu",
				MaxPositionEmbeddings: positions, TypeVocabSize: types, LayerNormEps: eps,
				Labels: labels, Task: nn.Classification, PadTokenID: -1, PositionPadding: -1,
			}, random(seed))
		},
		config: func(s Shape) any {
			return map[string]any{
				"architectures": []string{"BertForSequenceClassification"}, "model_type": "bert", "dtype": "float32",
				"vocab_size": s.Vocabulary, "hidden_size": s.Hidden, "num_hidden_layers": s.Layers,
				"num_attention_heads": s.Heads, "intermediate_size": inside, "hidden_act": "gelu",
				"max_position_embeddings": positions, "type_vocab_size": types, "layer_norm_eps": eps,
				"num_labels": labels, "problem_type": "single_label_classification", "pad_token_id": nil,
				"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
			}
		},
	}
}

// llamaOf are language models with so many features inside an MLP.
func llamaOf(inside int) family {
	config := func(s Shape) llama.Config {
		return llama.Config{
			HiddenSize: s.Hidden, IntermediateSize: inside, NumHiddenLayers: s.Layers,
			NumAttentionHeads: s.Heads, NumKeyValueHeads: cmp.Or(s.KVHeads, s.Heads), HeadDim: s.Hidden / s.Heads,
			RMSNormEps: 1e-6, RopeTheta: 10000, VocabSize: s.Vocabulary, MaxPositionEmbeddings: 512,
		}
	}
	return family{
		model:  func(s Shape, seed uint64) (nn.Model, error) { return llama.New(config(s), seed) },
		build:  func(s Shape, source nn.Source) (nn.Model, error) { return llama.Build(config(s), source) },
		config: func(s Shape) any { return config(s) },
	}
}
