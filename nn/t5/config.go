package t5

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/nn"
)

// The architectures that config.json may name.
const (
	Generation = "T5ForConditionalGeneration" // logits of the decoder's tokens; of a file that names none too
	Encoder    = "T5EncoderModel"             // features: the encoder alone
)

var architectures = []string{Generation, Encoder}

// A Config is the shape of a model, as config.json of a Hugging Face T5 gives it,
// under the names behind the fields.
type Config struct {
	Architecture                 string  // architectures
	VocabSize                    int     // vocab_size, V
	DModel                       int     // d_model, C: the width of the residual stream
	DKV                          int     // d_kv, d: the width of a head
	DFF                          int     // d_ff, F: the width inside an MLP
	NumLayers                    int     // num_layers: blocks of the encoder
	NumDecoderLayers             int     // num_decoder_layers; num_layers where the file has none
	NumHeads                     int     // num_heads, H
	RelativeAttentionNumBuckets  int     // relative_attention_num_buckets, B
	RelativeAttentionMaxDistance int     // relative_attention_max_distance: the last bucket takes all beyond
	LayerNormEpsilon             float64 // layer_norm_epsilon, inside the root
	Activation                   string  // feed_forward_proj, behind its "gated-"
	Gated                        bool    // feed_forward_proj: begins with "gated-" (v1.1)

	// ScaleDecoderOutputs divides what the head reads by √C: v1.0.
	ScaleDecoderOutputs bool // scale_decoder_outputs; tie_word_embeddings where the file has none
	// TieWordEmbeddings makes the head the embedding table, unless the checkpoint
	// has another: since version 5 transformers writes true whatever the head is.
	TieWordEmbeddings bool // tie_word_embeddings

	PadTokenID          int // pad_token_id: what the decoder reads in the place of an ignored label
	DecoderStartTokenID int // decoder_start_token_id, what it reads first; pad_token_id where the file has none
}

// UnmarshalJSON reads a config.json. What may change the mathematics and is not
// computed here is an error that names the key.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("t5: %w", err)
	}
	f.Only("model_type", "t5")
	f.Only("is_decoder", false)
	r := Config{
		Architecture:                 f.Architecture(architectures...),
		VocabSize:                    f.Size("vocab_size", 32128),
		DModel:                       f.Size("d_model", 512),
		DKV:                          f.Size("d_kv", 64),
		DFF:                          f.Size("d_ff", 2048),
		NumLayers:                    f.Count("num_layers", 6),
		NumHeads:                     f.Size("num_heads", 8),
		RelativeAttentionNumBuckets:  f.Size("relative_attention_num_buckets", 32),
		RelativeAttentionMaxDistance: f.Size("relative_attention_max_distance", 128),
		LayerNormEpsilon:             f.Positive("layer_norm_epsilon", 1e-6),
		PadTokenID:                   f.Index("pad_token_id", 0),
	}
	r.NumDecoderLayers = f.Count("num_decoder_layers", r.NumLayers)
	r.DecoderStartTokenID = f.Index("decoder_start_token_id", r.PadTokenID)
	r.TieWordEmbeddings = f.Bool("tie_word_embeddings", true)
	r.ScaleDecoderOutputs = f.Bool("scale_decoder_outputs", r.TieWordEmbeddings)
	r.feedForward(f)
	r.check(f)
	f.Ignore("is_encoder_decoder", "n_positions", "output_past", "id2label", "problem_type")
	if err := f.Done(); err != nil {
		return fmt.Errorf("t5: %w", err)
	}
	*c = r
	return nil
}

// feedForward reads the activation of the MLPs. dense_act_fn and is_gated_act say
// the same again.
func (c *Config) feedForward(f *nn.Fields) {
	proj := f.String("feed_forward_proj", "relu")
	c.Activation, c.Gated = strings.CutPrefix(proj, "gated-")
	if proj == "gated-gelu" {
		c.Activation = "gelu_new" // as the models of that name were trained
	}
	if _, err := nn.ActivationOf(c.Activation); err != nil {
		f.Fail("feed_forward_proj", ": %v", err)
	}
	f.Only("dense_act_fn", c.Activation)
	f.Only("is_gated_act", c.Gated)
}

// check fails where a value does not fit another one.
func (c *Config) check(f *nn.Fields) {
	const least = 4 // two a direction: one for a single distance, one for all beyond
	buckets := c.RelativeAttentionNumBuckets
	if buckets < least {
		f.Fail("relative_attention_num_buckets", " = %d: must be at least %d", buckets, least)
	}
	if most := c.RelativeAttentionMaxDistance; most <= buckets/2 { // those of one distance, in the decoder
		f.Fail("relative_attention_max_distance", " = %d: must be above half of relative_attention_num_buckets = %d", most, buckets)
	}
	for _, id := range []struct {
		key string
		id  int
	}{{"pad_token_id", c.PadTokenID}, {"decoder_start_token_id", c.DecoderStartTokenID}} {
		if id.id >= c.VocabSize {
			f.Fail(id.key, " = %d: must be below vocab_size = %d", id.id, c.VocabSize)
		}
	}
	matrices := 2 // of an MLP
	if c.Gated {
		matrices = 3
	}
	f.Total(c.VocabSize, c.DModel)
	f.Total(buckets, c.NumHeads)
	f.Total(4*(c.NumLayers+2*c.NumDecoderLayers), c.DModel, c.NumHeads, c.DKV)
	f.Total(matrices*(c.NumLayers+c.NumDecoderLayers), c.DModel, c.DFF)
}
