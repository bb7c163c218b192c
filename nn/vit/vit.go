// Package vit is the Vision Transformer (arXiv 2010.11929) in the order of its
// forward pass, with the names that Hugging Face checkpoints use. [Block] is CLIP's
// too.
//
// The letters of the shapes: P patches of S×S pixels in an image of D channels,
// M = batch·(P+1) rows, one for the class and one for each patch, C the hidden
// width, F the width inside an MLP, K the classes, R the width of the pooler. A
// weight [out, in] maps x to x·Wᵀ.
package vit

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps the pixels of images to the logits of their classes, or to the
// hidden states. In the names of a model without a classifier "vit." is absent.
type Model struct {
	spago.Module
	nn.Body
	Config     Config
	Embeddings *Embeddings
	Blocks     []*Block      // "vit.encoder.layer.0", …
	Norm       *nn.LayerNorm // [C]     "vit.layernorm.weight", ".bias"
	Classifier *nn.Linear    // [K, C]  "classifier.weight", [K] ".bias"; nil: none
	Pooler     *nn.Linear    // [R, C]  "pooler.dense.weight", [R] ".bias"; nil: none

	pool nn.Activation
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits, batch×K, or without a classifier the last hidden
// states, M×C. It sets c.Tokens to P+1. It panics with an [*ag.ShapeError]
// where [Model.Check] returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "vit", Text: err.Error()})
	}
	c.Tokens = m.Config.Tokens()
	x := c.Keep(m.Embeddings.Forward(c)) // M×C
	var read *nn.Rows
	if m.Classifier != nil {
		read = c.FirstToken()
	}
	for i, b := range m.Blocks {
		x = c.Keep(c.Block(func() ag.Tensor { return b.Forward(c, x, read.In(c, i, len(m.Blocks))) }))
	}
	x = read.Of(c, m.Norm.Forward(c, x))
	if m.Classifier == nil {
		return x
	}
	return m.Classifier.Forward(c, x)
}

// Pool builds the pooler's output, batch×R, of the last hidden states x, M×C.
// Forward does without. There must be a pooler.
func (m *Model) Pool(c *nn.Context, x ag.Tensor) ag.Tensor {
	return m.pool(c, m.Pooler.Forward(c, c.FirstToken().Of(c, x)))
}

// Check returns an error when the context's pixels are not those of a batch of
// images of the model's size, or it has padding or a cache, which images have
// not. What they are does not change from replay to replay.
func (m *Model) Check(c *nn.Context) error {
	return c.CheckPixels(m.Embeddings.Patches.Window)
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task { return m.Config.Task }

// Embeddings are the patches of an image behind a class token, each with what
// tells its place.
type Embeddings struct {
	spago.Module
	Patches   *nn.Conv2D   // [C, D, S, S]  "vit.embeddings.patch_embeddings.projection.weight", [C] ".bias"
	Class     *ag.Variable // [1, 1, C]     "vit.embeddings.cls_token"
	Positions *ag.Variable // [1, P+1, C]   "vit.embeddings.position_embeddings"
}

// Forward builds the embeddings of the context's pixels, M×C.
func (e *Embeddings) Forward(c *nn.Context) ag.Tensor {
	x := e.Patches.Forward(c, c.Pixels) // batch·P×C
	x = c.Run(ag.NewPrepend(x, e.Class, c.Batch))
	return c.Run(ag.NewAdd(x, c.Run(ag.NewEmbedding(e.Positions, c.Positions()))))
}

// A Block is one encoder layer, x + attention(norm(x)), then x + mlp(norm(x)).
type Block struct {
	spago.Module
	AttentionNorm *nn.LayerNorm // [C]  "layernorm_before.weight", ".bias"
	Attention     *Attention
	MLPNorm       *nn.LayerNorm // [C]  "layernorm_after.weight", ".bias"
	MLP           *MLP
}

// Forward builds the rows of the block on x, M×C.
func (b *Block) Forward(c *nn.Context, x ag.Tensor, rows *nn.Rows) ag.Tensor {
	y := b.Attention.Forward(c, b.AttentionNorm.Forward(c, x), rows)
	x = c.Run(ag.NewAdd(rows.Of(c, x), y))
	return c.Run(ag.NewAdd(x, b.MLP.Forward(c, b.MLPNorm.Forward(c, x))))
}

// Attention is self-attention of all patches and the class token.
type Attention struct {
	spago.Module
	Q *nn.Linear // [C, C]  "attention.attention.query.weight", [C] ".bias"
	K *nn.Linear // [C, C]  "attention.attention.key.weight", [C] ".bias"
	V *nn.Linear // [C, C]  "attention.attention.value.weight", [C] ".bias"
	O *nn.Linear // [C, C]  "attention.output.dense.weight", [C] ".bias"

	Heads int
}

// Forward builds the rows of the attention on x, M×C.
func (a *Attention) Forward(c *nn.Context, x ag.Tensor, rows *nn.Rows) ag.Tensor {
	q := a.Q.Forward(c, rows.Of(c, x)) // M×C, or batch×C
	k := a.K.Forward(c, x)             // M×C
	v := a.V.Forward(c, x)             // M×C
	y := c.Attend(nn.AttentionShape{Heads: a.Heads, KVHeads: a.Heads}, q, k, v, rows)
	return a.O.Forward(c, y)
}

// An MLP is down(activation(up(x))).
type MLP struct {
	spago.Module
	Up   *nn.Linear // [F, C]  "intermediate.dense.weight", [F] ".bias"
	Down *nn.Linear // [C, F]  "output.dense.weight", [C] ".bias"

	Act nn.Activation
}

// Forward builds the MLP on x, M×C.
func (f *MLP) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	return f.Down.Forward(c, f.Act(c, f.Up.Forward(c, x)))
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
		return nil, fmt.Errorf("vit: hidden_act: %w", err)
	}
	C, F, S, eps := cfg.HiddenSize, cfg.IntermediateSize, cfg.PatchSize, cfg.LayerNormEps
	prefix := "vit."
	if cfg.NumLabels == 0 {
		prefix = ""
	}

	b := nn.NewBuilder(source)
	b.Module = moduleName
	m := &Model{Config: cfg}
	m.Embeddings = &Embeddings{
		Patches: b.Conv2D(prefix+"embeddings.patch_embeddings.projection", C, ag.Window{
			Channels: cfg.NumChannels, Height: cfg.ImageSize, Width: cfg.ImageSize,
			KernelHeight: S, KernelWidth: S, StrideHeight: S, StrideWidth: S,
		}, true),
		Class:     b.Tensor(prefix+"embeddings.cls_token", 1, 1, C),
		Positions: b.Tensor(prefix+"embeddings.position_embeddings", 1, cfg.Tokens(), C),
	}
	for i := range cfg.NumHiddenLayers {
		name := fmt.Sprintf("%sencoder.layer.%d.", prefix, i)
		m.Blocks = append(m.Blocks, &Block{
			AttentionNorm: b.LayerNorm(name+"layernorm_before", C, eps),
			Attention: &Attention{
				Q:     b.Linear(name+"attention.attention.query", C, C, cfg.QKVBias),
				K:     b.Linear(name+"attention.attention.key", C, C, cfg.QKVBias),
				V:     b.Linear(name+"attention.attention.value", C, C, cfg.QKVBias),
				O:     b.Linear(name+"attention.output.dense", C, C, true),
				Heads: cfg.NumAttentionHeads,
			},
			MLPNorm: b.LayerNorm(name+"layernorm_after", C, eps),
			MLP: &MLP{
				Up:   b.Linear(name+"intermediate.dense", F, C, true),
				Down: b.Linear(name+"output.dense", C, F, true),
				Act:  act,
			},
		})
	}
	m.Norm = b.LayerNorm(prefix+"layernorm", C, eps)
	if cfg.NumLabels > 0 {
		m.Classifier = b.Linear("classifier", cfg.NumLabels, C, true)
		m.Classifier.Output = true
	}
	if cfg.Pooler && !b.Lacks(prefix+"pooler.dense.weight") {
		if m.pool, err = nn.ActivationOf(cfg.PoolerAct); err != nil {
			return nil, fmt.Errorf("vit: pooler_act: %w", err)
		}
		m.Pooler = b.Linear(prefix+"pooler.dense", cfg.PoolerOutputSize, C, true)
	}
	if m.Body, err = b.Body(); err != nil {
		return nil, err
	}
	return m, nil
}

// renamed are the modules of a block whose names transformers changed in its
// version 5, though not in the files that it writes.
var renamed = strings.NewReplacer(
	".attention.attention.query", ".attention.q_proj",
	".attention.attention.key", ".attention.k_proj",
	".attention.attention.value", ".attention.v_proj",
	".attention.output.dense", ".attention.o_proj",
	".intermediate.dense", ".mlp.fc1",
	".output.dense", ".mlp.fc2",
)

// moduleName returns the name that transformers 5 has for a module or a tensor of
// a checkpoint: vit.layers.0.attention.q_proj for
// vit.encoder.layer.0.attention.attention.query. Adapters that PEFT made on top
// of it have that one, those made before the checkpoint's.
func moduleName(name string) string {
	before, block, ok := strings.Cut(name, "encoder.layer.")
	if !ok {
		return name
	}
	return before + "layers." + renamed.Replace(block)
}
