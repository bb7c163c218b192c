// Package clip is the image encoder of CLIP (arXiv 2103.00020) in the order of its
// forward pass, with the names that Hugging Face checkpoints use: the blocks of a
// Vision Transformer, with a norm before them.
//
// The letters of the shapes: P patches of S×S pixels in an image of D channels,
// M = batch·(P+1) rows, one for the class and one for each patch, C the hidden
// width, F the width inside an MLP, E the width of the embeddings that images
// share with texts. A weight [out, in] maps x to x·Wᵀ.
package clip

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/vit"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps the pixels of images to their embeddings, or to the hidden
// states.
type Model struct {
	spago.Module
	nn.Body
	Config     Config
	Embeddings *Embeddings
	PreNorm    *nn.LayerNorm // [C]     "vision_model.pre_layrnorm.weight", ".bias"
	Blocks     []*vit.Block  // "vision_model.encoder.layers.0", …
	PostNorm   *nn.LayerNorm // [C]     "vision_model.post_layernorm.weight", ".bias"
	Projection *nn.Linear    // [E, C]  "visual_projection.weight"; nil: none
}

var _ nn.Model = (*Model)(nil)

// Forward builds the embeddings of the images, batch×E, not normalised, or
// without a projection the last hidden states, M×C. It sets c.Tokens to P+1. It
// panics with an [*ag.ShapeError] where [Model.Check] returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "clip", Text: err.Error()})
	}
	c.Tokens = m.Config.Tokens()
	x := c.Keep(m.PreNorm.Forward(c, m.Embeddings.Forward(c))) // M×C
	var read *nn.Rows
	if m.Projection != nil {
		read = c.FirstToken()
	}
	for i, b := range m.Blocks {
		x = c.Keep(c.Block(func() ag.Tensor { return b.Forward(c, x, read.In(c, i, len(m.Blocks))) }))
	}
	if m.Projection == nil {
		return x
	}
	return m.Projection.Forward(c, m.Pool(c, x))
}

// Pool builds the norm of the class's rows, batch×C, of the last hidden states
// x, M×C: what is projected.
func (m *Model) Pool(c *nn.Context, x ag.Tensor) ag.Tensor {
	return m.PostNorm.Forward(c, c.FirstToken().Of(c, x))
}

// Check returns an error when the context's pixels are not those of a batch of
// images of the model's size, or it has padding or a cache, which images have
// not. What they are does not change from replay to replay.
func (m *Model) Check(c *nn.Context) error {
	return c.CheckPixels(m.Embeddings.Patches.Window)
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task { return nn.Features }

// Embeddings are the patches of an image behind that of a class, each with what
// tells its place.
type Embeddings struct {
	spago.Module
	Patches   *nn.Conv2D    // [C, D, S, S]  "vision_model.embeddings.patch_embedding.weight"
	Class     *ag.Variable  // [C]           "vision_model.embeddings.class_embedding"
	Positions *nn.Embedding // [P+1, C]      "vision_model.embeddings.position_embedding.weight"
}

// Forward builds the embeddings of the context's pixels, M×C.
func (e *Embeddings) Forward(c *nn.Context) ag.Tensor {
	x := e.Patches.Forward(c, c.Pixels) // batch·P×C
	x = c.Run(ag.NewPrepend(x, e.Class, c.Batch))
	return c.Run(ag.NewAdd(x, e.Positions.Forward(c, c.Positions())))
}

// Clone returns a model with its own copy of every tensor, frozen and without
// adapters.
func (m *Model) Clone() nn.Model {
	c, err := Build(m.Config, m.Copy())
	if err != nil {
		panic(err) // a model is only made from a valid configuration
	}
	return c
}

// Build returns a frozen model with the tensors that source gives, asked for
// once each in the order of [Model.Params].
func Build(cfg Config, source nn.Source) (*Model, error) {
	act, err := nn.ActivationOf(cfg.HiddenAct)
	if err != nil {
		return nil, fmt.Errorf("clip: hidden_act: %w", err)
	}
	C, F, S, eps := cfg.HiddenSize, cfg.IntermediateSize, cfg.PatchSize, cfg.LayerNormEps

	b := nn.NewBuilder(source)
	if cfg.ProjectionDim == 0 { // transformers 5 calls its modules so, though not always its tensors
		b.Module = func(name string) string { return strings.TrimPrefix(name, "vision_model.") }
	}
	m := &Model{Config: cfg}
	m.Embeddings = &Embeddings{
		Patches: b.Conv2D("vision_model.embeddings.patch_embedding", C, ag.Window{
			Channels: cfg.NumChannels, Height: cfg.ImageSize, Width: cfg.ImageSize,
			KernelHeight: S, KernelWidth: S, StrideHeight: S, StrideWidth: S,
		}, false),
		Class:     b.Tensor("vision_model.embeddings.class_embedding", C),
		Positions: b.Embedding("vision_model.embeddings.position_embedding", cfg.Tokens(), C),
	}
	m.PreNorm = b.LayerNorm("vision_model.pre_layrnorm", C, eps)
	for i := range cfg.NumHiddenLayers {
		name := fmt.Sprintf("vision_model.encoder.layers.%d.", i)
		m.Blocks = append(m.Blocks, &vit.Block{
			AttentionNorm: b.LayerNorm(name+"layer_norm1", C, eps),
			Attention: &vit.Attention{
				Q:     b.Linear(name+"self_attn.q_proj", C, C, true),
				K:     b.Linear(name+"self_attn.k_proj", C, C, true),
				V:     b.Linear(name+"self_attn.v_proj", C, C, true),
				O:     b.Linear(name+"self_attn.out_proj", C, C, true),
				Heads: cfg.NumAttentionHeads,
			},
			MLPNorm: b.LayerNorm(name+"layer_norm2", C, eps),
			MLP: &vit.MLP{
				Up:   b.Linear(name+"mlp.fc1", F, C, true),
				Down: b.Linear(name+"mlp.fc2", C, F, true),
				Act:  act,
			},
		})
	}
	m.PostNorm = b.LayerNorm("vision_model.post_layernorm", C, eps)
	if cfg.ProjectionDim > 0 {
		m.Projection = b.Linear("visual_projection", cfg.ProjectionDim, C, false)
	}
	if m.Body, err = b.Body(); err != nil {
		return nil, err
	}
	return m, nil
}
