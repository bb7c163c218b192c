package step

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

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
	Prompt         int     // tokens of each sequence, its first, that the loss does not count
	Masked         float64 // part of the tokens that a masked language model is asked for
	Rank           int     // of the adapters; 0: Rank
	Checkpoint     bool    // of the blocks' activations, see [nn.Context.Block]

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
		family: bertOf(1536, bert.SequenceClassifier, nn.Classification),
	}
	Decoder = Shape{
		Name: "decoder", Batch: 8, Tokens: 128, Vocabulary: 4096, Hidden: 512, Layers: 8, Heads: 8, Causal: true,
		family: llamaOf(1376),
	}
	Study = Shape{
		Name: "study", Batch: 8, Tokens: 128, Vocabulary: 256, Hidden: 128, Layers: 4, Heads: 4, Causal: true,
		family: llamaOf(344),
	}
	// Masked is the encoder as a masked language model, of BERT's words, 15 % of which
	// are asked for, Answers the decoder with Llama's words, of whose sequences the
	// first half is a prompt.
	Masked = Shape{
		Name: "masked", Batch: 32, Tokens: 64, Vocabulary: 30522, Hidden: 384, Layers: 6, Heads: 12, Masked: 0.15,
		family: bertOf(1536, bert.MaskedLM, nn.Token),
	}
	Answers = Shape{
		Name: "answers", Batch: 8, Tokens: 128, Vocabulary: 32000, Hidden: 512, Layers: 8, Heads: 8, Causal: true, Prompt: 64,
		family: llamaOf(1376),
	}
	Shapes = []Shape{Encoder, Decoder, Study, Masked, Answers}

	// Big is a model of 1.1 billion parameters, that of TinyLlama (arXiv 2401.02385),
	// for one sequence.
	Big = Shape{
		Name: "big", Batch: 1, Tokens: 512, Vocabulary: 32000, Hidden: 2048, Layers: 22, Heads: 32, KVHeads: 4, Causal: true,
		Rank: 16, Checkpoint: true, family: llamaOf(5632),
	}
)

// ShapeOf returns the shape of that name.
func ShapeOf(name string) (Shape, error) {
	var names []string
	for _, s := range append(Shapes, Big) {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Shape{}, fmt.Errorf("no shape %q: there are %s", name, strings.Join(names, ", "))
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
	if task == nn.Classification {
		for i := range s.Batch {
			labels = append(labels, int32(i%2))
		}
		return ids, labels
	}
	labels = slices.Clone(ids)
	for i := range labels {
		if i%s.Tokens < s.Prompt || task == nn.Token && rng.Float64() >= s.Masked {
			labels[i] = nn.Ignored
		}
	}
	return ids, labels
}

// bertOf are BERTs with a head, of two classes where it classifies, and so many
// features inside a feed-forward layer.
func bertOf(inside int, head bert.Head, task nn.Task) family {
	const positions, types, labels, eps = 512, 2, 2, 1e-12
	return family{
		model: func(s Shape, seed uint64) (nn.Model, error) {
			return bert.Build(bert.Config{
				Head: head, VocabSize: s.Vocabulary, HiddenSize: s.Hidden, NumHiddenLayers: s.Layers,
				NumAttentionHeads: s.Heads, IntermediateSize: inside, HiddenAct: "gelu",
				MaxPositionEmbeddings: positions, TypeVocabSize: types, LayerNormEps: eps,
				Labels: labels, Task: task, PadTokenID: -1, PositionPadding: -1, TieWordEmbeddings: true,
			}, random(seed))
		},
		config: func(s Shape) any {
			return map[string]any{
				"architectures": []string{"Bert" + string(head)}, "model_type": "bert", "dtype": "float32",
				"vocab_size": s.Vocabulary, "hidden_size": s.Hidden, "num_hidden_layers": s.Layers,
				"num_attention_heads": s.Heads, "intermediate_size": inside, "hidden_act": "gelu",
				"max_position_embeddings": positions, "type_vocab_size": types, "layer_norm_eps": eps,
				"num_labels": labels, "problem_type": "single_label_classification", "pad_token_id": nil, "tie_word_embeddings": true,
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
