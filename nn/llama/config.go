package llama

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
)

// A Config is the shape of a model, as config.json of a Hugging Face
// LlamaForCausalLM gives it. Its JSON form is that file's, both ways.
type Config struct {
	HiddenSize            int     // C, the width of the residual stream
	IntermediateSize      int     // F, the width inside an MLP
	NumHiddenLayers       int     // blocks
	NumAttentionHeads     int     // H
	NumKeyValueHeads      int     // G, divides H
	HeadDim               int     // d, even
	RMSNormEps            float64 // inside the root
	RopeTheta             float64 // base of the rotary angles
	VocabSize             int     // V
	MaxPositionEmbeddings int     // most tokens of a sequence
	TieWordEmbeddings     bool    // the head is the embedding table
}

// Bounds of what Validate accepts: far above any model, far below what would
// overflow or take all day to refuse.
const (
	maxDim    = 1 << 24
	maxLayers = 1 << 12
	maxParams = 1 << 38
)

// Validate returns an error of one line, naming the field of config.json, for
// a shape that no model has.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name string
		v    int
		max  int
	}{
		{"hidden_size", c.HiddenSize, maxDim},
		{"intermediate_size", c.IntermediateSize, maxDim},
		{"num_hidden_layers", c.NumHiddenLayers, maxLayers},
		{"num_attention_heads", c.NumAttentionHeads, maxDim},
		{"num_key_value_heads", c.NumKeyValueHeads, maxDim},
		{"head_dim", c.HeadDim, maxDim},
		{"vocab_size", c.VocabSize, maxDim},
		{"max_position_embeddings", c.MaxPositionEmbeddings, maxDim},
	} {
		if f.v < 1 || f.v > f.max {
			return fmt.Errorf("llama: config: %s = %d: must lie between 1 and %d", f.name, f.v, f.max)
		}
	}
	switch {
	case c.NumAttentionHeads%c.NumKeyValueHeads != 0:
		return fmt.Errorf("llama: config: num_attention_heads = %d: must be a multiple of num_key_value_heads = %d", c.NumAttentionHeads, c.NumKeyValueHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("llama: config: head_dim = %d: must be even, since RoPE turns pairs", c.HeadDim)
	case c.NumAttentionHeads*c.HeadDim > maxDim:
		return fmt.Errorf("llama: config: num_attention_heads·head_dim = %d·%d: must be at most %d", c.NumAttentionHeads, c.HeadDim, maxDim)
	case !(c.RMSNormEps >= 0 && c.RMSNormEps < 1):
		return fmt.Errorf("llama: config: rms_norm_eps = %g: must lie in [0, 1)", c.RMSNormEps)
	case !(c.RopeTheta > 0) || math.IsInf(c.RopeTheta, 0):
		return fmt.Errorf("llama: config: rope_theta = %g: must be positive and finite", c.RopeTheta)
	}
	if n, ok := c.params(); !ok || n > maxParams {
		return fmt.Errorf("llama: config: hidden_size = %d, num_hidden_layers = %d, vocab_size = %d: the model would have more than %d parameters",
			c.HiddenSize, c.NumHiddenLayers, c.VocabSize, int64(maxParams))
	}
	return nil
}

// NumParameters returns the number of values of a valid model's tensors.
func (c *Config) NumParameters() int64 {
	n, _ := c.params()
	return int64(n)
}

// params counts the parameters. Each dimension is at most 2²⁴, so a block has
// less than 2⁵¹ and only the product with the layers can overflow.
func (c *Config) params() (n uint64, ok bool) {
	C, F, V := uint64(c.HiddenSize), uint64(c.IntermediateSize), uint64(c.VocabSize)
	q := uint64(c.NumAttentionHeads) * uint64(c.HeadDim)
	kv := uint64(c.NumKeyValueHeads) * uint64(c.HeadDim)
	block := 2*q*C + 2*kv*C + 3*F*C + 2*C
	hi, n := bits.Mul64(block, uint64(c.NumHiddenLayers))
	head := V * C
	if c.TieWordEmbeddings {
		head = 0
	}
	n, carry := bits.Add64(n, V*C+head+C, 0)
	return n, hi == 0 && carry == 0
}

// file is config.json. Where a pointer is nil the key was absent or null, and
// Hugging Face's own default holds.
type file struct {
	Architectures         []string        `json:"architectures"`
	ModelType             string          `json:"model_type"`
	DType                 string          `json:"torch_dtype,omitempty"`
	HiddenSize            int             `json:"hidden_size"`
	IntermediateSize      int             `json:"intermediate_size"`
	NumHiddenLayers       int             `json:"num_hidden_layers"`
	NumAttentionHeads     int             `json:"num_attention_heads"`
	NumKeyValueHeads      *int            `json:"num_key_value_heads"`
	HeadDim               *int            `json:"head_dim"`
	HiddenAct             *string         `json:"hidden_act"`
	RMSNormEps            *float64        `json:"rms_norm_eps"`
	RopeTheta             *float64        `json:"rope_theta"`
	RopeParameters        *rope           `json:"rope_parameters,omitempty"` // since transformers 5
	RopeScaling           *rope           `json:"rope_scaling,omitempty"`    // until then
	VocabSize             int             `json:"vocab_size"`
	MaxPositionEmbeddings *int            `json:"max_position_embeddings"`
	TieWordEmbeddings     *bool           `json:"tie_word_embeddings"`
	AttentionBias         bool            `json:"attention_bias"`
	MLPBias               bool            `json:"mlp_bias"`
	Quantization          json.RawMessage `json:"quantization_config,omitempty"`
}

type rope struct {
	Theta *float64 `json:"rope_theta,omitempty"`
	Type  string   `json:"rope_type,omitempty"`
	Old   string   `json:"type,omitempty"`
}

// UnmarshalJSON reads a config.json. Keys that do not change the forward pass
// are ignored; a variant that this package does not compute (another
// activation, biases, scaled rotary angles, quantised weights) is an error.
func (c *Config) UnmarshalJSON(data []byte) error {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("llama: config: %w", err)
	}
	refuse := func(key string, v any, want string) error {
		return fmt.Errorf("llama: config: %s = %v: must be %s", key, v, want)
	}
	switch {
	case f.ModelType != "llama":
		return refuse("model_type", fmt.Sprintf("%q", f.ModelType), `"llama"`)
	case or(f.HiddenAct, "silu") != "silu":
		return refuse("hidden_act", fmt.Sprintf("%q", *f.HiddenAct), `"silu"`)
	case f.AttentionBias:
		return refuse("attention_bias", true, "false")
	case f.MLPBias:
		return refuse("mlp_bias", true, "false")
	case len(f.Quantization) > 0 && string(f.Quantization) != "null":
		return refuse("quantization_config", "{…}", "absent")
	}
	theta := or(f.RopeTheta, 10000)
	for _, r := range []*rope{f.RopeScaling, f.RopeParameters} {
		if r == nil {
			continue
		}
		for _, kind := range []string{r.Type, r.Old} {
			if kind != "" && kind != "default" {
				return refuse("rope_type", fmt.Sprintf("%q", kind), `"default"`)
			}
		}
		theta = or(r.Theta, theta)
	}
	headDim := 0
	if f.NumAttentionHeads > 0 {
		headDim = f.HiddenSize / f.NumAttentionHeads
	}
	*c = Config{
		HiddenSize:            f.HiddenSize,
		IntermediateSize:      f.IntermediateSize,
		NumHiddenLayers:       f.NumHiddenLayers,
		NumAttentionHeads:     f.NumAttentionHeads,
		NumKeyValueHeads:      or(f.NumKeyValueHeads, f.NumAttentionHeads),
		HeadDim:               or(f.HeadDim, headDim),
		RMSNormEps:            or(f.RMSNormEps, 1e-6),
		RopeTheta:             theta,
		VocabSize:             f.VocabSize,
		MaxPositionEmbeddings: or(f.MaxPositionEmbeddings, 2048),
		TieWordEmbeddings:     or(f.TieWordEmbeddings, false),
	}
	return nil
}

// or returns what p points to, or the default.
func or[T any](p *T, def T) T {
	if p != nil {
		return *p
	}
	return def
}

// MarshalJSON writes a config.json that every version of transformers reads.
func (c Config) MarshalJSON() ([]byte, error) {
	act := "silu"
	return json.Marshal(file{
		Architectures:         []string{"LlamaForCausalLM"},
		ModelType:             "llama",
		DType:                 "float32",
		HiddenSize:            c.HiddenSize,
		IntermediateSize:      c.IntermediateSize,
		NumHiddenLayers:       c.NumHiddenLayers,
		NumAttentionHeads:     c.NumAttentionHeads,
		NumKeyValueHeads:      &c.NumKeyValueHeads,
		HeadDim:               &c.HeadDim,
		HiddenAct:             &act,
		RMSNormEps:            &c.RMSNormEps,
		RopeTheta:             &c.RopeTheta,
		VocabSize:             c.VocabSize,
		MaxPositionEmbeddings: &c.MaxPositionEmbeddings,
		TieWordEmbeddings:     &c.TieWordEmbeddings,
	})
}
