// Package llama is the decoder of Llama (arXiv 2302.13971, 2307.09288) in the
// order of its forward pass, with the names that Hugging Face checkpoints use,
// and its kin that differ in a few places: Mistral (arXiv 2310.06825: a sliding
// window), Qwen2 (arXiv 2407.10671: biases on q, k and v) and Qwen3 (arXiv
// 2505.09388: norms of every head's q and k).
//
// The letters of the shapes: M = batch·tokens rows, V the vocabulary, C the
// hidden width, H query heads, G key-value heads, d the width of a head, F
// the width inside an MLP. A weight [out, in] maps x to x·Wᵀ.
package llama

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps token ids to the logits of the next token, or of a class for
// each sequence, or to the hidden states.
type Model struct {
	spago.Module
	nn.Body
	Config Config
	Embed  *nn.Embedding // [V, C]  "model.embed_tokens.weight"
	Blocks []*Block      // "model.layers.0", …
	Norm   *nn.RMSNorm   // [C]     "model.norm.weight"
	Head   *nn.Linear    // [V, C]  "lm_head.weight", the embedding's tensor when tied; [labels, C] "score.weight"; nil for a model without
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits, M×V or batch×labels, or without a head the last
// hidden states, M×C. It panics with an [*ag.ShapeError] where [Model.Check]
// returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "llama", Text: err.Error()})
	}
	read := m.read(c)
	x := m.Embed.Forward(c, c.IDs) // M×C
	for i, b := range m.Blocks {
		c.Keep(x)
		x = c.Block(func() ag.Tensor { return b.Forward(c, x, read.In(c, i, len(m.Blocks))) })
	}
	x = read.Of(c, c.Keep(m.Norm.Forward(c, x)))
	if m.Config.Head == NoHead {
		return x
	}
	return m.Head.Forward(c, x)
}

// read returns the rows of the hidden states that the output is made of.
func (m *Model) read(c *nn.Context) *nn.Rows {
	switch m.Config.Head {
	case NoHead:
		return nil
	case SequenceHead:
		return c.LastToken(m.Config.pad())
	}
	return c.NextToken()
}

// Check returns an error when the context's ids do not fit its shape, the
// positions or the vocabulary. New ids must pass it before each replay.
func (m *Model) Check(c *nn.Context) error {
	return c.CheckTokens(m.Embed.In, m.Config.MaxPositionEmbeddings)
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task { return m.Config.task() }

// A Block is one decoder layer, x + attention(norm(x)), then x + mlp(norm(x)).
type Block struct {
	spago.Module
	AttentionNorm *nn.RMSNorm // [C]  "input_layernorm.weight"
	Attention     *Attention
	MLPNorm       *nn.RMSNorm // [C]  "post_attention_layernorm.weight"
	MLP           *MLP
}

// Forward builds the rows of the block on x, M×C.
func (b *Block) Forward(c *nn.Context, x ag.Tensor, rows *nn.Rows) ag.Tensor {
	y := b.Attention.Forward(c, b.AttentionNorm.Forward(c, x), rows)
	x = c.Run(ag.NewAdd(rows.Of(c, x), y))
	return c.Run(ag.NewAdd(x, b.MLP.Forward(c, b.MLPNorm.Forward(c, x))))
}

// Attention is causal self-attention with rotary positions (arXiv 2104.09864)
// and H/G query heads to a key-value head (arXiv 2305.13245).
type Attention struct {
	spago.Module
	Q     *nn.Linear  // [H·d, C]  "self_attn.q_proj.weight"
	K     *nn.Linear  // [G·d, C]  "self_attn.k_proj.weight"
	V     *nn.Linear  // [G·d, C]  "self_attn.v_proj.weight"
	O     *nn.Linear  // [C, H·d]  "self_attn.o_proj.weight"
	QNorm *nn.RMSNorm // [d]       "self_attn.q_norm.weight"; nil: none
	KNorm *nn.RMSNorm // [d]       "self_attn.k_norm.weight"; nil: none

	heads, kvHeads, dim, window int
	frequencies                 []float64
}

// Forward builds the rows of the attention on x, M×C.
func (a *Attention) Forward(c *nn.Context, x ag.Tensor, rows *nn.Rows) ag.Tensor {
	q := a.turn(c, a.Q.Forward(c, x), a.QNorm, a.heads)   // M×(H·d)
	k := a.turn(c, a.K.Forward(c, x), a.KNorm, a.kvHeads) // M×(G·d)
	v := a.V.Forward(c, x)                                // M×(G·d)
	y := c.Attend(nn.AttentionShape{Heads: a.heads, KVHeads: a.kvHeads, Causal: true, Window: a.window}, rows.Of(c, q), k, v, rows)
	return a.O.Forward(c, y)
}

// turn norms every head of x, M×(heads·d), where there is a norm, and turns it
// by its token's position.
func (a *Attention) turn(c *nn.Context, x ag.Tensor, norm *nn.RMSNorm, heads int) ag.Tensor {
	if rows, cols := ag.Dims(x); norm != nil {
		x = c.Run(ag.NewReshape(x, rows*heads, a.dim))
		x = c.Run(ag.NewReshape(norm.Forward(c, x), rows, cols))
	}
	return c.Run(ag.NewRoPEWith(x, heads, a.dim, c.Tokens, ag.RoPEOptions{Frequencies: a.frequencies, Offset: c.Past()}))
}

// An MLP is SwiGLU (arXiv 2002.05202), down(silu(gate(x))∘up(x)).
type MLP struct {
	spago.Module
	Gate *nn.Linear // [F, C]  "mlp.gate_proj.weight"
	Up   *nn.Linear // [F, C]  "mlp.up_proj.weight"
	Down *nn.Linear // [C, F]  "mlp.down_proj.weight"
}

// Forward builds the MLP on x, M×C.
func (f *MLP) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	gate := f.Gate.Forward(c, x) // M×F
	up := f.Up.Forward(c, x)     // M×F
	return f.Down.Forward(c, c.Run(ag.NewSwiGLU(gate, up)))
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

// New returns a model with random weights as Hugging Face starts them: normal
// with deviation 0.02, norms at 1, biases at 0. One seed is one model.
func New(cfg Config, seed uint64) (*Model, error) {
	const deviation = 0.02
	rng := rand.New(rand.NewPCG(seed, 0))
	return Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		w := make([]float32, n)
		for i := range w {
			switch {
			case len(shape) > 1:
				w[i] = float32(deviation * rng.NormFloat64())
			case !strings.HasSuffix(name, ".bias"):
				w[i] = 1
			}
		}
		return w, nil
	}))
}

// Build returns a frozen model with the tensors that source gives, asked for
// once each in the order of [Model.Params].
func Build(cfg Config, source nn.Source) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	V, C, F, eps := cfg.VocabSize, cfg.HiddenSize, cfg.IntermediateSize, cfg.RMSNormEps
	q, kv, d := cfg.NumAttentionHeads*cfg.HeadDim, cfg.NumKeyValueHeads*cfg.HeadDim, cfg.HeadDim
	prefix := "model."
	if cfg.Head == NoHead {
		prefix = ""
	}
	frequencies := cfg.RopeScaling.frequencies(cfg.RopeTheta, d)

	b := nn.NewBuilder(source)
	m := &Model{Config: cfg}
	m.Embed = b.Embedding(prefix+"embed_tokens", V, C, cfg.pad())
	for i := range cfg.NumHiddenLayers {
		name := fmt.Sprintf("%slayers.%d.", prefix, i)
		block := &Block{AttentionNorm: b.RMSNorm(name+"input_layernorm", C, eps)}
		a := &Attention{
			Q:     b.Linear(name+"self_attn.q_proj", q, C, cfg.QKVBias),
			K:     b.Linear(name+"self_attn.k_proj", kv, C, cfg.QKVBias),
			V:     b.Linear(name+"self_attn.v_proj", kv, C, cfg.QKVBias),
			O:     b.Linear(name+"self_attn.o_proj", C, q, cfg.OutputBias),
			heads: cfg.NumAttentionHeads, kvHeads: cfg.NumKeyValueHeads, dim: d,
			window: cfg.window(i), frequencies: frequencies,
		}
		if cfg.QKNorm {
			a.QNorm = b.RMSNorm(name+"self_attn.q_norm", d, eps)
			a.KNorm = b.RMSNorm(name+"self_attn.k_norm", d, eps)
		}
		block.Attention = a
		block.MLPNorm = b.RMSNorm(name+"post_attention_layernorm", C, eps)
		block.MLP = &MLP{
			Gate: b.Linear(name+"mlp.gate_proj", F, C, cfg.MLPBias),
			Up:   b.Linear(name+"mlp.up_proj", F, C, cfg.MLPBias),
			Down: b.Linear(name+"mlp.down_proj", C, F, cfg.MLPBias),
		}
		m.Blocks = append(m.Blocks, block)
	}
	m.Norm = b.RMSNorm(prefix+"norm", C, eps)
	switch {
	case cfg.Head == SequenceHead:
		m.Head = b.Output("score", cfg.NumLabels, C)
	case cfg.Head == NoHead:
	case cfg.TieWordEmbeddings:
		m.Head = b.TiedOutput("lm_head", m.Embed)
	default:
		m.Head = b.Output("lm_head", V, C)
	}
	var err error
	m.Body, err = b.Body()
	if err != nil {
		return nil, err
	}
	return m, nil
}
