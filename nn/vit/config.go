package vit

import (
	"fmt"

	"github.com/lowrank/lowrank/nn"
)

// A Config is the shape of a model, as config.json of a Hugging Face
// ViTForImageClassification or ViTModel gives it.
type Config struct {
	HiddenSize        int     // hidden_size: C
	IntermediateSize  int     // intermediate_size: F
	NumHiddenLayers   int     // num_hidden_layers: blocks
	NumAttentionHeads int     // num_attention_heads, divides C
	HiddenAct         string  // hidden_act, inside an MLP
	LayerNormEps      float64 // layer_norm_eps, inside the root
	QKVBias           bool    // qkv_bias: biases on q, k and v
	ImageSize         int     // image_size: height and width
	PatchSize         int     // patch_size: S
	NumChannels       int     // num_channels: D
	NumLabels         int     // num_labels or id2label: K; 0: a ViTModel, without classifier
	Task              nn.Task // problem_type of the classifier, else Features
	Pooler            bool    // a ViTModel's checkpoint has a pooler
	PoolerAct         string  // pooler_act
	PoolerOutputSize  int     // pooler_output_size: R
}

// Tokens returns the number of rows of an image: the patches and the class.
func (c *Config) Tokens() int {
	n := c.ImageSize / c.PatchSize
	return n*n + 1
}

// UnmarshalJSON reads a config.json. What is absent has transformers' default;
// a key that would change what the model computes and is not known here is an
// error that names it. A ViTModel gets a pooler, which transformers writes into
// its checkpoints; where one lacks it, Pooler must be set to false.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("vit: %w", err)
	}
	*c = Config{}
	c.read(f)
	if err := f.Done(); err != nil {
		return fmt.Errorf("vit: %w", err)
	}
	return nil
}

func (c *Config) read(f *nn.Fields) {
	f.Only("model_type", "vit")
	c.HiddenSize = f.Size("hidden_size", 768)
	c.IntermediateSize = f.Size("intermediate_size", 3072)
	c.NumHiddenLayers = f.Count("num_hidden_layers", 12)
	c.NumAttentionHeads = f.Size("num_attention_heads", 12)
	f.Divides("num_attention_heads", c.NumAttentionHeads, "hidden_size", c.HiddenSize)
	c.HiddenAct = activation(f, "hidden_act", "gelu")
	c.LayerNormEps = f.Positive("layer_norm_eps", 1e-12)
	c.QKVBias = f.Bool("qkv_bias", true)
	c.ImageSize = f.Size("image_size", 224)
	c.PatchSize = f.Size("patch_size", 16)
	if c.PatchSize > c.ImageSize {
		f.Fail("patch_size", " = %d: must be at most image_size = %d", c.PatchSize, c.ImageSize)
	}
	c.NumChannels = f.Count("num_channels", 3)
	c.readHead(f)
	f.Ignore("encoder_stride") // of the decoder of masked images

	n := c.ImageSize / c.PatchSize
	f.Total(n, n, c.HiddenSize)
	f.Total(c.HiddenSize, c.NumChannels, c.PatchSize, c.PatchSize)
	f.Total(c.NumHiddenLayers, c.HiddenSize, c.HiddenSize)
	f.Total(c.NumHiddenLayers, c.HiddenSize, c.IntermediateSize)
	f.Total(c.PoolerOutputSize, c.HiddenSize)
}

// readHead finds by the architecture what follows the blocks.
func (c *Config) readHead(f *nn.Fields) {
	f.Ignore("id2label", "problem_type", "pooler_act", "pooler_output_size")
	name := ""
	if names := f.Strings("architectures"); len(names) > 0 {
		name = names[0]
	}
	switch name {
	case "ViTForImageClassification":
		c.NumLabels = f.Labels()
		c.Task = f.SequenceTask(c.NumLabels)
	case "ViTModel":
		c.Task = nn.Features
		c.Pooler = true
		c.PoolerAct = activation(f, "pooler_act", "tanh")
		c.PoolerOutputSize = f.Size("pooler_output_size", c.HiddenSize)
	default:
		f.Refuse("architectures", " begins with %.60q: must be ViTForImageClassification or ViTModel", name)
	}
}

// activation returns the name of an activation that there is.
func activation(f *nn.Fields, key, otherwise string) string {
	name := f.String(key, otherwise)
	if _, err := nn.ActivationOf(name); err != nil {
		f.Fail(key, ": %v", err)
	}
	return name
}
