// Package gpt2 is the decoder of GPT-2 (Radford et al. 2019) in the order of its
// forward pass, with the names that Hugging Face checkpoints use.
//
// The letters of the shapes: M = batch·tokens rows, V the vocabulary, P the
// positions, C the hidden width, F the width inside an MLP, L the labels. A
// weight [out, in] maps x to x·Wᵀ; those of the blocks stand in the checkpoint
// as [in, out], Conv1D's order.
package gpt2

import (
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps token ids to logits or, without a head, to features.
type Model struct {
	spago.Module
	nn.Body
	Config    Config
	Tokens    *nn.Embedding // [V, C]    "transformer.wte.weight"
	Positions *nn.Embedding // [P, C]    "transformer.wpe.weight"
	Blocks    []*Block      //           "transformer.h.0", …
	Norm      *nn.LayerNorm // [C]       "transformer.ln_f.weight", "….bias"
	Head      *nn.Linear    // [V, C]    "lm_head.weight", the table of the tokens when tied;
	//                         [L, C]    "score.weight" of a Classifier; nil of a Base
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits of the next token M×V, those of a Classifier
// batch×L, or a Base's features M×C. It panics with an [*ag.ShapeError] where
// [Model.Check] returns an error.
//
// As in transformers, a Classifier never asks which tokens are padding when the
// configuration has a pad_token_id: it reads the last token with another id,
// wherever the padding stands. Where that id is that of the end of a text too,
// this is the token before the end. Without a pad_token_id it is the last token
// that is no padding by c.End, where transformers takes one sequence only.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "gpt2", Text: err.Error()})
	}
	read := m.read(c)
	x := m.embed(c) // M×C
	for i, b := range m.Blocks {
		c.Keep(x)
		x = c.Block(func() ag.Tensor { return b.Forward(c, x, read.In(c, i, len(m.Blocks))) })
	}
	x = read.Of(c, c.Keep(m.Norm.Forward(c, x)))
	if m.Config.Architecture == Base {
		return x
	}
	return m.Head.Forward(c, x)
}

// read returns the rows of the hidden states that the output is made of.
func (m *Model) read(c *nn.Context) *nn.Rows {
	switch m.Config.Architecture {
	case Base:
		return nil
	case Classifier:
		return c.LastToken(m.Config.PadTokenID)
	}
	return c.NextToken()
}

// embed builds the sum of the embeddings of the ids, of their positions and, where
// there are token types, of those, which are ids of the same table.
func (m *Model) embed(c *nn.Context) ag.Tensor {
	x := m.Tokens.Forward(c, c.IDs)
	x = c.Run(ag.NewAdd(x, m.Positions.Forward(c, c.Positions())))
	if c.Types != nil {
		x = c.Run(ag.NewAdd(x, m.Tokens.Forward(c, c.Types)))
	}
	return x
}

// Check returns an error when the context's ids, types or padding do not fit.
// New ones must pass it before each replay.
func (m *Model) Check(c *nn.Context) error {
	if err := c.CheckTokens(m.Tokens.In, m.Config.NPositions); err != nil {
		return err
	}
	return c.CheckTypes(m.Tokens.In)
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task {
	switch m.Config.Architecture {
	case Base:
		return nn.Features
	case Classifier:
		return m.Config.Problem
	}
	return nn.NextToken
}

// A Block is one layer, x + attention(norm(x)), then x + mlp(norm(x)).
type Block struct {
	spago.Module
	AttentionNorm *nn.LayerNorm // [C]  "ln_1.weight", "ln_1.bias"
	Attention     *Attention
	MLPNorm       *nn.LayerNorm // [C]  "ln_2.weight", "ln_2.bias"
	MLP           *MLP
}

// Forward builds the rows of the block on x, M×C.
func (b *Block) Forward(c *nn.Context, x ag.Tensor, rows *nn.Rows) ag.Tensor {
	y := b.Attention.Forward(c, b.AttentionNorm.Forward(c, x), rows)
	x = c.Run(ag.NewAdd(rows.Of(c, x), y))
	return c.Run(ag.NewAdd(x, b.MLP.Forward(c, b.MLPNorm.Forward(c, x))))
}

// Attention is causal self-attention whose queries, keys and values come from one
// map.
type Attention struct {
	spago.Module
	QKV *nn.Linear // [3·C, C]  "attn.c_attn.weight" [C, 3·C], "attn.c_attn.bias"
	Out *nn.Linear // [C, C]    "attn.c_proj.weight" [C, C], "attn.c_proj.bias"

	shape nn.AttentionShape
}

// Forward builds the rows of the attention on x, M×C.
func (a *Attention) Forward(c *nn.Context, x ag.Tensor, rows *nn.Rows) ag.Tensor {
	qkv := a.QKV.Forward(c, x) // M×3·C
	n := a.Out.In
	q := c.Run(ag.NewColumns(qkv, 0, n))
	k := c.Run(ag.NewColumns(qkv, n, n))
	v := c.Run(ag.NewColumns(qkv, 2*n, n))
	return a.Out.Forward(c, c.Attend(a.shape, rows.Of(c, q), k, v, rows))
}

// An MLP is out(activation(in(x))).
type MLP struct {
	spago.Module
	In  *nn.Linear // [F, C]  "mlp.c_fc.weight" [C, F], "mlp.c_fc.bias"
	Out *nn.Linear // [C, F]  "mlp.c_proj.weight" [F, C], "mlp.c_proj.bias"

	activation nn.Activation
}

// Forward builds the MLP on x, M×C.
func (f *MLP) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	return f.Out.Forward(c, f.activation(c, f.In.Forward(c, x)))
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

// Build returns a frozen model with the tensors that source gives, asked for once
// each in the order of the forward pass.
func Build(cfg Config, source nn.Source) (*Model, error) {
	if !slices.Contains(architectures, cfg.Architecture) {
		return nil, fmt.Errorf("gpt2: no architecture %q", cfg.Architecture)
	}
	activation, err := nn.ActivationOf(cfg.ActivationFunction)
	if err != nil {
		return nil, fmt.Errorf("gpt2: %w", err)
	}
	V, P, C, F := cfg.VocabSize, cfg.NPositions, cfg.NEmbd, cfg.NInner
	prefix := "transformer."
	if cfg.Architecture == Base {
		prefix = ""
	}

	b := nn.NewBuilder(source)
	m := &Model{Config: cfg}
	m.Tokens = b.Embedding(prefix+"wte", V, C)
	m.Positions = b.Embedding(prefix+"wpe", P, C)
	for i := range cfg.NLayer {
		name := fmt.Sprintf("%sh.%d.", prefix, i)
		m.Blocks = append(m.Blocks, &Block{
			AttentionNorm: b.LayerNorm(name+"ln_1", C, cfg.LayerNormEpsilon),
			Attention: &Attention{
				QKV:   b.Transposed(name+"attn.c_attn", 3*C, C),
				Out:   b.Transposed(name+"attn.c_proj", C, C),
				shape: nn.AttentionShape{Heads: cfg.NHead, KVHeads: cfg.NHead, Causal: true, Scale: cfg.scale(i)},
			},
			MLPNorm: b.LayerNorm(name+"ln_2", C, cfg.LayerNormEpsilon),
			MLP: &MLP{
				In:         b.Transposed(name+"mlp.c_fc", F, C),
				Out:        b.Transposed(name+"mlp.c_proj", C, F),
				activation: activation,
			},
		})
	}
	m.Norm = b.LayerNorm(prefix+"ln_f", C, cfg.LayerNormEpsilon)
	switch {
	case cfg.Architecture == Base:
	case cfg.Architecture == Classifier:
		m.Head = b.Output("score", cfg.NumLabels, C)
	case cfg.TieWordEmbeddings:
		m.Head = b.TiedOutput("lm_head", m.Tokens)
	default:
		m.Head = b.Output("lm_head", V, C)
	}
	m.Body, err = b.Body()
	if err != nil {
		return nil, err
	}
	return m, nil
}

// scale is that of the scores of a block.
func (c *Config) scale(block int) float32 {
	s := 1.0
	if c.ScaleAttnWeights {
		s = 1 / math.Sqrt(float64(c.NEmbd/c.NHead))
	}
	if c.ScaleAttnByInverseLayerIdx {
		s /= float64(block + 1)
	}
	return float32(s)
}
