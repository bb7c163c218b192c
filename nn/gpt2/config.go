package gpt2

import (
	"fmt"

	"github.com/lowrank/lowrank/nn"
)

// The architectures that config.json may name: which head the model has.
const (
	LMHead     = "GPT2LMHeadModel"               // logits of the next token; of a file that names none too
	Classifier = "GPT2ForSequenceClassification" // logits of a sequence, from its last token
	Base       = "GPT2Model"                     // features: no head, and no prefix in the checkpoint's names
)

var architectures = []string{LMHead, Classifier, Base}

// A Config is the shape of a model, as config.json of a Hugging Face GPT-2 gives
// it, under the names behind the fields.
type Config struct {
	Architecture               string  // architectures
	VocabSize                  int     // vocab_size, V
	NPositions                 int     // n_positions, P: most tokens of a sequence
	NEmbd                      int     // n_embd, C: the width of the residual stream
	NLayer                     int     // n_layer: blocks
	NHead                      int     // n_head, H: divides C
	NInner                     int     // n_inner, F: the width inside an MLP; 4·C where the file has none
	ActivationFunction         string  // activation_function, of the MLP
	LayerNormEpsilon           float64 // layer_norm_epsilon, inside the root
	ScaleAttnWeights           bool    // scale_attn_weights: scores are divided by √d
	ScaleAttnByInverseLayerIdx bool    // scale_attn_by_inverse_layer_idx: and by the block's number, from 1
	TieWordEmbeddings          bool    // tie_word_embeddings: the head is the embedding table

	// Of a Classifier.
	NumLabels  int     // id2label, num_labels
	Problem    nn.Task // problem_type
	PadTokenID int     // pad_token_id; -1: none
}

// UnmarshalJSON reads a config.json. What may change the mathematics and is not
// computed here is an error that names the key.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("gpt2: %w", err)
	}
	f.Only("model_type", "gpt2")
	f.Only("add_cross_attention", false)
	r := Config{
		Architecture:               f.Architecture(architectures...),
		VocabSize:                  f.Size("vocab_size", 50257),
		NPositions:                 f.Size("n_positions", 1024),
		NEmbd:                      f.Size("n_embd", 768),
		NLayer:                     f.Count("n_layer", 12),
		NHead:                      f.Size("n_head", 12),
		ActivationFunction:         f.String("activation_function", "gelu_new"),
		LayerNormEpsilon:           f.Positive("layer_norm_epsilon", 1e-5),
		ScaleAttnWeights:           f.Bool("scale_attn_weights", true),
		ScaleAttnByInverseLayerIdx: f.Bool("scale_attn_by_inverse_layer_idx", false),
		TieWordEmbeddings:          f.Bool("tie_word_embeddings", true),
		PadTokenID:                 -1,
	}
	r.NInner = f.Size("n_inner", 4*r.NEmbd)
	if r.Architecture == Classifier {
		r.NumLabels = f.Labels()
		r.Problem = f.SequenceTask(r.NumLabels)
		r.PadTokenID = f.Padding(-1)
	}
	if _, err := nn.ActivationOf(r.ActivationFunction); err != nil {
		f.Fail("activation_function", ": %v", err)
	}
	f.Divides("n_head", r.NHead, "n_embd", r.NEmbd)
	f.Total(r.VocabSize+r.NPositions, r.NEmbd)
	f.Total(r.NLayer, r.NEmbd, 4*r.NEmbd+2*r.NInner)
	// The order of float32 operations, the summary of GPT2DoubleHeadsModel, and
	// what files of before transformers 4 have.
	f.Ignore("reorder_and_upcast_attn", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
		"summary_type", "summary_use_proj", "n_ctx", "output_past", "predict_special_tokens", "id2label", "problem_type")
	if err := f.Done(); err != nil {
		return fmt.Errorf("gpt2: %w", err)
	}
	*c = r
	return nil
}
