// Package t5 is the encoder and the decoder of T5 (arXiv 1910.10683), v1.0 and
// v1.1, in the order of their forward pass, with the names that Hugging Face
// checkpoints use.
//
// The letters of the shapes: M = batch·tokens rows, of the encoder or of the
// decoder, V the vocabulary, C the hidden width, H heads of width d, B the
// buckets of distances, F the width inside an MLP. A weight [out, in] maps x to
// x·Wᵀ.
package t5

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps the encoder's token ids and the decoder's to logits, in row i
// those of the token that the decoder reads after token i.
type Model struct {
	spago.Module
	nn.Body
	Config  Config
	Shared  *nn.Embedding // [V, C]  "shared.weight", of the encoder, the decoder and the head; itself it looks nothing up
	Encoder *Stack        //         "encoder"
	Decoder *Stack        //         "decoder"; nil of an Encoder
	Head    *nn.Linear    // [V, C]  "lm_head.weight"; the shared table when tied; nil of an Encoder
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits, rows of c.Decoder × V, or an Encoder's features,
// M×C. A decoder's context without a tape gets the encoder's. It panics with an
// [*ag.ShapeError] where [Model.Check] returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	fits(m.Check(c))
	x := m.Encode(c)
	if m.Decoder == nil {
		return x
	}
	if c.Decoder.Tape == nil {
		c.Decoder.Tape = c.Tape
	}
	c.Decoder.Checkpoint, c.Decoder.Aside = c.Checkpoint, c.Aside
	return m.Decode(c.Decoder, x, c)
}

// Encode builds the encoder's output on the ids of c, M×C.
func (m *Model) Encode(c *nn.Context) ag.Tensor {
	fits(m.checkEncoder(c))
	return m.Encoder.Forward(c, nil, nil)
}

// Decode builds the logits, M×V, on the decoder's context c. It reads encoded, the
// encoder's output over the context over, which may be that of an earlier tape:
// to generate, encode once and decode token by token with a cache.
func (m *Model) Decode(c *nn.Context, encoded ag.Tensor, over *nn.Context) ag.Tensor {
	fits(m.checkDecoder(c, over))
	x := m.Decoder.Forward(c, encoded, over)
	x = c.NextToken().Of(c, x)
	if m.Config.ScaleDecoderOutputs {
		x = c.Run(ag.NewScale(x, float32(1/math.Sqrt(float64(m.Config.DModel)))))
	}
	return m.Head.Forward(c, x)
}

// Check returns an error when the ids or the padding of the context, or of the
// decoder's, do not fit. New ones must pass it before each replay.
func (m *Model) Check(c *nn.Context) error {
	if err := m.checkEncoder(c); err != nil || m.Decoder == nil {
		return err
	}
	switch d := c.Decoder; {
	case d == nil:
		return errors.New("the context has no Decoder: must have the tokens that the decoder reads")
	case d.Tape != nil && d.Tape != c.Tape:
		return errors.New("the decoder has a tape of its own: must be the encoder's, or none")
	}
	return m.checkDecoder(c.Decoder, c)
}

func (m *Model) checkEncoder(c *nn.Context) error {
	if c.Cache != nil {
		return errors.New("the encoder has a cache: only the decoder may")
	}
	return c.CheckTokens(m.Shared.In, 0)
}

func (m *Model) checkDecoder(c, over *nn.Context) error {
	if m.Decoder == nil {
		return fmt.Errorf("%s has no decoder", m.Config.Architecture)
	}
	if err := c.CheckTokens(m.Shared.In, 0); err != nil {
		return fmt.Errorf("decoder: %w", err)
	}
	if c.Batch != over.Batch {
		return fmt.Errorf("decoder: %d sequences, the encoder has %d", c.Batch, over.Batch)
	}
	return nil
}

// fits panics with the error of a check.
func fits(err error) {
	if err != nil {
		panic(&ag.ShapeError{Op: "t5", Text: err.Error()})
	}
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task {
	if m.Decoder == nil {
		return nn.Features
	}
	return nn.Token
}

// ShiftRight returns what the decoder reads to predict the labels, sequences of so
// many tokens: the start token, then the labels but the last, with the padding's
// id for those that are ignored.
func (m *Model) ShiftRight(labels []int32, tokens int) []int32 {
	ids := make([]int32, len(labels))
	for i := range ids {
		switch {
		case i%tokens == 0:
			ids[i] = int32(m.Config.DecoderStartTokenID)
		case labels[i-1] < 0:
			ids[i] = int32(m.Config.PadTokenID)
		default:
			ids[i] = labels[i-1]
		}
	}
	return ids
}

// Start is the id that the decoder's sequence begins with.
func (m *Model) Start() int32 { return int32(m.Config.DecoderStartTokenID) }

// A Stack is the blocks of the encoder or of the decoder.
type Stack struct {
	spago.Module
	Tokens *nn.Embedding // [V, C]  "embed_tokens": the shared table
	Blocks []*Block      //         "block.0", …
	Bias   *nn.Embedding // [B, H]  "block.0.layer.0.SelfAttention.relative_attention_bias.weight", for all blocks
	Norm   *nn.RMSNorm   // [C]     "final_layer_norm.weight"

	causal      bool // the decoder
	maxDistance int
}

// Forward builds the stack on the ids of c, M×C. The decoder's blocks read encoded
// too, the encoder's output over the context over.
func (s *Stack) Forward(c *nn.Context, encoded ag.Tensor, over *nn.Context) ag.Tensor {
	x := s.Tokens.Forward(c, c.IDs)
	bias := s.bias(c)
	for _, b := range s.Blocks {
		c.Keep(x)
		x = c.Block(func() ag.Tensor { return b.Forward(c, x, bias, encoded, over) })
	}
	return c.Keep(s.Norm.Forward(c, x))
}

// bias builds that of the scores of all blocks by the distance of the tokens,
// (H·tokens)×keys. The whole table is looked up, so that an adapter of it counts.
func (s *Stack) bias(c *nn.Context) ag.Tensor {
	ids := make([]int32, s.Bias.In)
	for i := range ids {
		ids[i] = int32(i)
	}
	return c.Run(ag.NewRelativeBias(s.Bias.Forward(c, ids), c.Tokens, c.Past()+c.Tokens, c.Past(), !s.causal, s.maxDistance))
}

// A Block is one layer: x + attention(norm(x)); in the decoder x +
// attention(norm(x), encoded); x + mlp(norm(x)).
type Block struct {
	spago.Module
	AttentionNorm *nn.RMSNorm // [C]  "layer.0.layer_norm.weight"
	Attention     *Attention  //      "layer.0.SelfAttention"
	CrossNorm     *nn.RMSNorm // [C]  "layer.1.layer_norm.weight"; nil in the encoder
	Cross         *Attention  //      "layer.1.EncDecAttention"; nil in the encoder
	MLPNorm       *nn.RMSNorm // [C]  "layer.2.layer_norm.weight"; layer.1 in the encoder
	MLP           *MLP        //      "layer.2.DenseReluDense"; layer.1 in the encoder
}

// Forward builds the block on x, M×C.
func (b *Block) Forward(c *nn.Context, x, bias, encoded ag.Tensor, over *nn.Context) ag.Tensor {
	x = c.Run(ag.NewAdd(x, b.Attention.Forward(c, b.AttentionNorm.Forward(c, x), bias)))
	if b.Cross != nil {
		x = c.Run(ag.NewAdd(x, b.Cross.ForwardTo(c, b.CrossNorm.Forward(c, x), encoded, over)))
	}
	return c.Run(ag.NewAdd(x, b.MLP.Forward(c, b.MLPNorm.Forward(c, x))))
}

// Attention is attention whose scores are not scaled.
type Attention struct {
	spago.Module
	Q *nn.Linear // [H·d, C]  "q.weight"
	K *nn.Linear // [H·d, C]  "k.weight"
	V *nn.Linear // [H·d, C]  "v.weight"
	O *nn.Linear // [C, H·d]  "o.weight"

	shape nn.AttentionShape
}

// Forward builds the attention of x, M×C, to itself.
func (a *Attention) Forward(c *nn.Context, x, bias ag.Tensor) ag.Tensor {
	q := a.Q.Forward(c, x) // M×(H·d)
	k := a.K.Forward(c, x)
	v := a.V.Forward(c, x)
	shape := a.shape
	shape.Bias = bias
	return a.O.Forward(c, c.Attend(shape, q, k, v, nil))
}

// ForwardTo builds the attention of x, M×C, to the encoder's output over a context.
func (a *Attention) ForwardTo(c *nn.Context, x, encoded ag.Tensor, over *nn.Context) ag.Tensor {
	q := a.Q.Forward(c, x) // M×(H·d)
	read := *over          // whose rows the others read, in this graph
	read.Tape, read.Noise, read.Losses = c.Tape, c.Noise, nil
	k := a.K.Forward(&read, encoded) // the encoder's rows × (H·d)
	v := a.V.Forward(&read, encoded)
	c.Losses = append(c.Losses, read.Losses...)
	return a.O.Forward(c, c.AttendTo(over, a.shape, q, k, v))
}

// An MLP is out(activation(in(x))) or, gated, out(activation(in(x))∘factor(x))
// (arXiv 2002.05202).
type MLP struct {
	spago.Module
	In     *nn.Linear // [F, C]  "wi.weight"; "wi_0.weight" when gated
	Factor *nn.Linear // [F, C]  "wi_1.weight"; nil when not gated
	Out    *nn.Linear // [C, F]  "wo.weight"

	activation nn.Activation
}

// Forward builds the MLP on x, M×C.
func (f *MLP) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	y := f.activation(c, f.In.Forward(c, x))
	if f.Factor != nil {
		y = c.Run(ag.NewMul(y, f.Factor.Forward(c, x)))
	}
	return f.Out.Forward(c, y)
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
// each in the order of the forward pass. Copies of shared.weight that a checkpoint
// holds, encoder.embed_tokens.weight and decoder.embed_tokens.weight, are not
// asked for.
func Build(cfg Config, source nn.Source) (*Model, error) {
	if !slices.Contains(architectures, cfg.Architecture) {
		return nil, fmt.Errorf("t5: no architecture %q", cfg.Architecture)
	}
	activation, err := nn.ActivationOf(cfg.Activation)
	if err != nil {
		return nil, fmt.Errorf("t5: %w", err)
	}
	b := &builder{nn.NewBuilder(source), cfg, activation}
	m := &Model{Config: cfg}
	m.Shared = b.Embedding("shared", cfg.VocabSize, cfg.DModel)
	m.Encoder = b.stack("encoder.", m.Shared, cfg.NumLayers, false)
	if cfg.Architecture != Encoder {
		m.Decoder = b.stack("decoder.", m.Shared, cfg.NumDecoderLayers, true)
		if cfg.TieWordEmbeddings {
			m.Head = b.TiedOutput("lm_head", m.Shared)
		} else {
			m.Head = b.Output("lm_head", cfg.VocabSize, cfg.DModel)
		}
	}
	m.Body, err = b.Body()
	if err != nil {
		return nil, err
	}
	return m, nil
}

// A builder builds the parts of a model by their names.
type builder struct {
	*nn.Builder
	Config
	activation nn.Activation
}

func (b *builder) stack(prefix string, shared *nn.Embedding, blocks int, decoder bool) *Stack {
	s := &Stack{causal: decoder, maxDistance: b.RelativeAttentionMaxDistance}
	s.Tokens = b.TiedEmbedding(prefix+"embed_tokens", shared)
	const table = "block.0.layer.0.SelfAttention.relative_attention_bias"
	s.Bias = b.Embedding(prefix+table, b.RelativeAttentionNumBuckets, b.NumHeads)
	for i := range blocks {
		s.Blocks = append(s.Blocks, b.block(fmt.Sprintf("%sblock.%d.layer.", prefix, i), decoder))
	}
	s.Norm = b.norm(prefix + "final_layer_norm")
	return s
}

func (b *builder) block(prefix string, decoder bool) *Block {
	r := &Block{
		AttentionNorm: b.norm(prefix + "0.layer_norm"),
		Attention:     b.attention(prefix+"0.SelfAttention.", decoder),
	}
	mlp := prefix + "1."
	if decoder {
		r.CrossNorm = b.norm(prefix + "1.layer_norm")
		r.Cross = b.attention(prefix+"1.EncDecAttention.", false)
		mlp = prefix + "2."
	}
	r.MLPNorm = b.norm(mlp + "layer_norm")
	r.MLP = b.mlp(mlp + "DenseReluDense.")
	return r
}

func (b *builder) attention(prefix string, causal bool) *Attention {
	C, n := b.DModel, b.NumHeads*b.DKV
	return &Attention{
		Q:     b.Linear(prefix+"q", n, C, false),
		K:     b.Linear(prefix+"k", n, C, false),
		V:     b.Linear(prefix+"v", n, C, false),
		O:     b.Linear(prefix+"o", C, n, false),
		shape: nn.AttentionShape{Heads: b.NumHeads, KVHeads: b.NumHeads, Causal: causal, Scale: 1},
	}
}

func (b *builder) mlp(prefix string) *MLP {
	f := &MLP{activation: b.activation}
	if b.Gated {
		f.In = b.Linear(prefix+"wi_0", b.DFF, b.DModel, false)
		f.Factor = b.Linear(prefix+"wi_1", b.DFF, b.DModel, false)
	} else {
		f.In = b.Linear(prefix+"wi", b.DFF, b.DModel, false)
	}
	f.Out = b.Linear(prefix+"wo", b.DModel, b.DFF, false)
	return f
}

func (b *builder) norm(name string) *nn.RMSNorm {
	return b.RMSNorm(name, b.DModel, b.LayerNormEpsilon)
}
