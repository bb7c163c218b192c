package llama

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/lowrank/lowrank/nn"
)

// A Config is the shape of a model, as config.json of a Hugging Face
// LlamaForCausalLM or one of its kin gives it. Its JSON form is that file's,
// both ways.
type Config struct {
	Kin                   string  // "": Llama; mistral, qwen2 or qwen3
	Head                  Head    // by the architecture
	HiddenSize            int     // C, the width of the residual stream
	IntermediateSize      int     // F, the width inside an MLP
	NumHiddenLayers       int     // blocks
	NumAttentionHeads     int     // H
	NumKeyValueHeads      int     // G, divides H
	HeadDim               int     // d, even
	RMSNormEps            float64 // inside the root
	RopeTheta             float64 // base of the rotary angles
	RopeScaling           RopeScaling
	VocabSize             int     // V
	MaxPositionEmbeddings int     // most tokens of a sequence
	TieWordEmbeddings     bool    // the head is the embedding table
	QKVBias               bool    // biases on q, k and v
	OutputBias            bool    // on o
	MLPBias               bool    // on gate, up and down
	QKNorm                bool    // an RMSNorm of each head's q and k
	SlidingWindow         int     // tokens that a windowed layer sees back, itself included; 0: no layer is
	Windowed              string  // a letter a layer, w where it is windowed; "": all are
	NumLabels             int     // of a SequenceHead
	Padded                bool    // there is a pad_token_id
	PadTokenID            int     // its row of the table is not trained, and a SequenceHead finds the last token by it
	Problem               nn.Task // of a SequenceHead
}

// A Head is what stands on the decoder.
type Head int

// The heads.
const (
	LMHead       Head = iota // ForCausalLM
	SequenceHead             // ForSequenceClassification
	NoHead                   // the Model alone
)

// classes are the model types that this package computes, and how the names of
// their classes begin.
var classes = map[string]string{"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}

func (c *Config) task() nn.Task {
	switch c.Head {
	case NoHead:
		return nn.Features
	case SequenceHead:
		return c.Problem
	}
	return nn.NextToken
}

// window returns how many tokens layer i sees back; 0: all.
func (c *Config) window(i int) int {
	if c.Windowed == "" || c.Windowed[i] == 'w' {
		return c.SlidingWindow
	}
	return 0
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
	case c.SlidingWindow < 0:
		return fmt.Errorf("llama: config: sliding_window = %d: must be at least 1, or null", c.SlidingWindow)
	case c.Windowed != "" && len(c.Windowed) != c.NumHiddenLayers:
		return fmt.Errorf("llama: config: layer_types has %d entries: must have num_hidden_layers = %d", len(c.Windowed), c.NumHiddenLayers)
	case c.Head == SequenceHead && (c.NumLabels < 1 || c.NumLabels > maxDim):
		return fmt.Errorf("llama: config: num_labels = %d: must lie between 1 and %d", c.NumLabels, maxDim)
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
// less than 2⁵² and only the product with the layers can overflow.
func (c *Config) params() (n uint64, ok bool) {
	C, F, V := uint64(c.HiddenSize), uint64(c.IntermediateSize), uint64(c.VocabSize)
	q := uint64(c.NumAttentionHeads) * uint64(c.HeadDim)
	kv := uint64(c.NumKeyValueHeads) * uint64(c.HeadDim)
	block := 2*q*C + 2*kv*C + 3*F*C + 2*C
	if c.QKVBias {
		block += q + 2*kv
	}
	if c.OutputBias {
		block += C
	}
	if c.MLPBias {
		block += 2*F + C
	}
	if c.QKNorm {
		block += 2 * uint64(c.HeadDim)
	}
	hi, n := bits.Mul64(block, uint64(c.NumHiddenLayers))
	head := V * C
	switch {
	case c.Head == SequenceHead:
		head = uint64(c.NumLabels) * C
	case c.Head == NoHead || c.TieWordEmbeddings:
		head = 0
	}
	n, carry := bits.Add64(n, V*C+head+C, 0)
	return n, hi == 0 && carry == 0
}

// UnmarshalJSON reads a config.json. A key that would change what the model
// computes and is not known here is an error that names it.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("llama: %w", err)
	}
	*c = Config{}
	c.read(f)
	if err := f.Done(); err != nil {
		return fmt.Errorf("llama: %w", err)
	}
	return nil
}

func (c *Config) read(f *nn.Fields) {
	kind := f.String("model_type", "llama")
	class, ok := classes[kind]
	if !ok {
		f.Refuse("model_type", ` = %q: must be "llama", "mistral", "qwen2" or "qwen3"`, kind)
		return
	}
	if kind != "llama" {
		c.Kin = kind
	}
	c.readHead(f, class)
	f.Only("hidden_act", "silu")
	c.HiddenSize = f.Size("hidden_size", 0)
	c.IntermediateSize = f.Size("intermediate_size", 0)
	c.NumHiddenLayers = f.Count("num_hidden_layers", 0)
	c.NumAttentionHeads = f.Size("num_attention_heads", 0)
	c.NumKeyValueHeads = f.Size("num_key_value_heads", c.NumAttentionHeads)
	headDim := c.HiddenSize / max(c.NumAttentionHeads, 1)
	switch c.Kin {
	case "mistral":
		c.NumKeyValueHeads = f.Size("num_key_value_heads", 8)
	case "qwen2", "qwen3":
		c.NumKeyValueHeads = f.Size("num_key_value_heads", 32)
		if c.Kin == "qwen3" {
			headDim = 128
		}
	}
	c.HeadDim = f.Size("head_dim", max(headDim, 1))
	c.RMSNormEps = f.Float("rms_norm_eps", 1e-6)
	c.readRope(f)
	c.VocabSize = f.Size("vocab_size", 0)
	c.MaxPositionEmbeddings = f.Size("max_position_embeddings", 2048)
	c.TieWordEmbeddings = f.Bool("tie_word_embeddings", false)
	switch c.Kin {
	case "":
		c.QKVBias = f.Bool("attention_bias", false)
		c.OutputBias = c.QKVBias
		c.MLPBias = f.Bool("mlp_bias", false)
	case "qwen2":
		c.QKVBias = true
	case "qwen3":
		c.QKVBias = f.Bool("attention_bias", false)
		c.OutputBias = c.QKVBias
		c.QKNorm = true
	}
	if pad := f.Padding(-1); pad >= 0 {
		c.Padded, c.PadTokenID = true, pad
		if pad >= c.VocabSize {
			f.Fail("pad_token_id", " = %d: must be below vocab_size = %d", pad, c.VocabSize)
		}
	}
	c.readWindow(f)
}

// pad returns the padding's id, or -1.
func (c *Config) pad() int {
	if c.Padded {
		return c.PadTokenID
	}
	return -1
}

// readHead finds the head by the architecture; without one it is a language
// model's.
func (c *Config) readHead(f *nn.Fields, class string) {
	switch f.Architecture(class+"ForCausalLM", class+"ForSequenceClassification", class+"Model") {
	case class + "ForSequenceClassification":
		c.Head = SequenceHead
		c.NumLabels = f.Labels()
		c.Problem = f.SequenceTask(c.NumLabels)
	case class + "Model":
		c.Head = NoHead
	}
	f.Ignore("id2label", "problem_type") // say nothing where no sequence is classified
}

// readWindow finds which layers are windowed: in Mistral all of them; in Qwen
// those that layer_types names or, without it, those from max_window_layers on,
// and none unless use_sliding_window is true.
func (c *Config) readWindow(f *nn.Fields) {
	if c.Kin == "" {
		f.Only("sliding_window")
		f.Ignore("layer_types")
		return
	}
	window := 0
	if f.Has("sliding_window") {
		window = f.Size("sliding_window", 0)
	}
	from := 0
	if c.Kin != "mistral" {
		from = f.Index("max_window_layers", 28)
		if !f.Bool("use_sliding_window", false) {
			window = 0
		}
	}
	types := f.Strings("layer_types")
	if window == 0 {
		for _, t := range types {
			if t != "full_attention" {
				f.Fail("layer_types", " has %q: must be full_attention, since there is no sliding_window", t)
			}
		}
		return
	}
	c.SlidingWindow = window
	var b strings.Builder
	for i := range c.NumHiddenLayers {
		windowed := i >= from
		if i < len(types) {
			switch types[i] {
			case "sliding_attention", "full_attention":
				windowed = types[i] == "sliding_attention"
			default:
				f.Fail("layer_types", " has %q: must be full_attention or sliding_attention", types[i])
			}
		}
		b.WriteByte(map[bool]byte{true: 'w', false: '-'}[windowed])
	}
	if n := len(types); n > 0 && n != c.NumHiddenLayers {
		f.Fail("layer_types", " has %d entries: must have num_hidden_layers = %d", n, c.NumHiddenLayers)
	}
	if c.Windowed = b.String(); !strings.Contains(c.Windowed, "-") {
		c.Windowed = ""
	}
}

// file is the config.json that MarshalJSON writes.
type file struct {
	Architectures         []string `json:"architectures"`
	ModelType             string   `json:"model_type"`
	DType                 string   `json:"torch_dtype"`
	HiddenSize            int      `json:"hidden_size"`
	IntermediateSize      int      `json:"intermediate_size"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	NumKeyValueHeads      int      `json:"num_key_value_heads"`
	HeadDim               int      `json:"head_dim"`
	HiddenAct             string   `json:"hidden_act"`
	RMSNormEps            float64  `json:"rms_norm_eps"`
	RopeTheta             float64  `json:"rope_theta"`
	VocabSize             int      `json:"vocab_size"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"`
	TieWordEmbeddings     bool     `json:"tie_word_embeddings"`
	AttentionBias         bool     `json:"attention_bias"`
	MLPBias               bool     `json:"mlp_bias"`
	PadTokenID            *int     `json:"pad_token_id"`
}

// MarshalJSON writes a config.json that every version of transformers reads. It
// is an error for a model that is not a plain Llama, as [New] makes them:
// what was read from a file keeps that file.
func (c Config) MarshalJSON() ([]byte, error) {
	kin := c.Kin != "" || c.QKNorm || c.OutputBias != c.QKVBias || c.SlidingWindow != 0
	if kin || c.Head != LMHead || c.RopeScaling != (RopeScaling{}) {
		return nil, errors.New("llama: config: only a plain Llama has a config.json made here")
	}
	var pad *int
	if c.Padded {
		pad = &c.PadTokenID
	}
	return json.Marshal(file{
		Architectures:         []string{"LlamaForCausalLM"},
		ModelType:             "llama",
		DType:                 "float32",
		HiddenSize:            c.HiddenSize,
		IntermediateSize:      c.IntermediateSize,
		NumHiddenLayers:       c.NumHiddenLayers,
		NumAttentionHeads:     c.NumAttentionHeads,
		NumKeyValueHeads:      c.NumKeyValueHeads,
		HeadDim:               c.HeadDim,
		HiddenAct:             "silu",
		RMSNormEps:            c.RMSNormEps,
		RopeTheta:             c.RopeTheta,
		VocabSize:             c.VocabSize,
		MaxPositionEmbeddings: c.MaxPositionEmbeddings,
		TieWordEmbeddings:     c.TieWordEmbeddings,
		AttentionBias:         c.QKVBias,
		MLPBias:               c.MLPBias,
		PadTokenID:            pad,
	})
}
