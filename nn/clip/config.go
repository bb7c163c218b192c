package clip

import (
	"fmt"

	"github.com/lowrank/lowrank/nn"
)

// A Config is the shape of a model, as config.json of a Hugging Face
// CLIPVisionModelWithProjection or CLIPVisionModel gives it.
type Config struct {
	HiddenSize        int     // hidden_size: C
	IntermediateSize  int     // intermediate_size: F
	NumHiddenLayers   int     // num_hidden_layers: blocks
	NumAttentionHeads int     // num_attention_heads, divides C
	HiddenAct         string  // hidden_act, inside an MLP
	LayerNormEps      float64 // layer_norm_eps, inside the root
	ImageSize         int     // image_size: height and width
	PatchSize         int     // patch_size: S
	NumChannels       int     // num_channels: D
	ProjectionDim     int     // projection_dim: E; 0: a CLIPVisionModel, without projection
}

// Tokens returns the number of rows of an image: the patches and the class.
func (c *Config) Tokens() int {
	n := c.ImageSize / c.PatchSize
	return n*n + 1
}

// UnmarshalJSON reads a config.json. What is absent has transformers' default;
// a key that would change what the model computes and is not known here is an
// error that names it.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("clip: %w", err)
	}
	*c = Config{}
	c.read(f)
	if err := f.Done(); err != nil {
		return fmt.Errorf("clip: %w", err)
	}
	return nil
}

func (c *Config) read(f *nn.Fields) {
	f.Only("model_type", "clip_vision_model")
	c.HiddenSize = f.Size("hidden_size", 768)
	c.IntermediateSize = f.Size("intermediate_size", 3072)
	c.NumHiddenLayers = f.Count("num_hidden_layers", 12)
	c.NumAttentionHeads = f.Size("num_attention_heads", 12)
	f.Divides("num_attention_heads", c.NumAttentionHeads, "hidden_size", c.HiddenSize)
	c.HiddenAct = f.String("hidden_act", "quick_gelu")
	if _, err := nn.ActivationOf(c.HiddenAct); err != nil {
		f.Fail("hidden_act", ": %v", err)
	}
	c.LayerNormEps = f.Positive("layer_norm_eps", 1e-5)
	c.ImageSize = f.Size("image_size", 224)
	c.PatchSize = f.Size("patch_size", 32)
	if c.PatchSize > c.ImageSize {
		f.Fail("patch_size", " = %d: must be at most image_size = %d", c.PatchSize, c.ImageSize)
	}
	c.NumChannels = f.Count("num_channels", 3)
	c.readHead(f)
	f.Ignore("id2label", "problem_type") // of a classifier

	n := c.ImageSize / c.PatchSize
	f.Total(n, n, c.HiddenSize)
	f.Total(c.HiddenSize, c.NumChannels, c.PatchSize, c.PatchSize)
	f.Total(c.NumHiddenLayers, c.HiddenSize, c.HiddenSize)
	f.Total(c.NumHiddenLayers, c.HiddenSize, c.IntermediateSize)
	f.Total(c.ProjectionDim, c.HiddenSize)
}

// readHead finds by the architecture whether there is a projection.
func (c *Config) readHead(f *nn.Fields) {
	name := ""
	if names := f.Strings("architectures"); len(names) > 0 {
		name = names[0]
	}
	switch name {
	case "CLIPVisionModelWithProjection":
		c.ProjectionDim = f.Size("projection_dim", 512)
	case "CLIPVisionModel":
		f.Ignore("projection_dim")
	default:
		f.Refuse("architectures", " begins with %.60q: must be CLIPVisionModelWithProjection or CLIPVisionModel", name)
	}
}
