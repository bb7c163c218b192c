// Package llama is the decoder of Llama (arXiv 2302.13971, 2307.09288) in the
// order of its forward pass, with the names that Hugging Face checkpoints use.
//
// The letters of the shapes: M = batch·tokens rows, V the vocabulary, C the
// hidden width, H query heads, G key-value heads, d the width of a head, F
// the width inside an MLP. A weight [out, in] maps x to x·Wᵀ.
package llama

import (
	"fmt"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps token ids to the logits of the next token.
type Model struct {
	spago.Module
	Config Config
	Embed  *nn.Embedding // [V, C]  "model.embed_tokens.weight"
	Blocks []*Block      // "model.layers.0", …
	Norm   *nn.RMSNorm   // [C]     "model.norm.weight"
	Head   *nn.Linear    // [V, C]  "lm_head.weight"; the embedding's tensor when tied

	params []nn.Param
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits, M×V. It panics with an [*ag.ShapeError] where
// [Model.Check] returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "llama", Text: err.Error()})
	}
	x := m.Embed.Forward(c) // M×C
	for _, b := range m.Blocks {
		x = b.Forward(c, x)
	}
	x = m.Norm.Forward(c, x)
	return m.Head.Forward(c, x)
}

// Check returns an error when the context's ids do not fit its shape, the
// positions or the vocabulary. New ids must pass it before each replay.
func (m *Model) Check(c *nn.Context) error {
	if c.Batch < 1 || c.Tokens < 1 || len(c.IDs)/c.Tokens != c.Batch || len(c.IDs)%c.Tokens != 0 {
		return fmt.Errorf("%d token ids: must be batch·tokens = %d·%d, both at least 1", len(c.IDs), c.Batch, c.Tokens)
	}
	if c.Tokens > m.Config.MaxPositionEmbeddings {
		return fmt.Errorf("%d tokens: must be at most max_position_embeddings = %d", c.Tokens, m.Config.MaxPositionEmbeddings)
	}
	for i, id := range c.IDs {
		if id < 0 || int(id) >= m.Config.VocabSize {
			return fmt.Errorf("token id %d in row %d, position %d: must lie in [0, %d)", id, i/c.Tokens, i%c.Tokens, m.Config.VocabSize)
		}
	}
	return nil
}

// A Block is one decoder layer, x + attention(norm(x)), then x + mlp(norm(x)).
type Block struct {
	spago.Module
	AttentionNorm *nn.RMSNorm // [C]  "input_layernorm.weight"
	Attention     *Attention
	MLPNorm       *nn.RMSNorm // [C]  "post_attention_layernorm.weight"
	MLP           *MLP
}

// Forward builds the block on x, M×C.
func (b *Block) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	x = c.Run(ag.NewAdd(x, b.Attention.Forward(c, b.AttentionNorm.Forward(c, x))))
	return c.Run(ag.NewAdd(x, b.MLP.Forward(c, b.MLPNorm.Forward(c, x))))
}

// Attention is causal self-attention with rotary positions (arXiv 2104.09864)
// and H/G query heads to a key-value head (arXiv 2305.13245).
type Attention struct {
	spago.Module
	Q *nn.Linear // [H·d, C]  "self_attn.q_proj.weight"
	K *nn.Linear // [G·d, C]  "self_attn.k_proj.weight"
	V *nn.Linear // [G·d, C]  "self_attn.v_proj.weight"
	O *nn.Linear // [C, H·d]  "self_attn.o_proj.weight"

	heads, kvHeads, dim int
	theta               float64
}

// Forward builds the attention on x, M×C.
func (a *Attention) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	q := a.Q.Forward(c, x) // M×(H·d)
	k := a.K.Forward(c, x) // M×(G·d)
	v := a.V.Forward(c, x) // M×(G·d)
	q = c.Run(ag.NewRoPE(q, a.heads, a.dim, c.Tokens, a.theta))
	k = c.Run(ag.NewRoPE(k, a.kvHeads, a.dim, c.Tokens, a.theta))
	y := c.Run(ag.NewAttention(q, k, v, c.Batch, c.Tokens, a.heads, a.kvHeads, true))
	return a.O.Forward(c, y)
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

// Linears returns the linear maps inside the blocks, in forward order.
func (m *Model) Linears() []*nn.Linear {
	var ls []*nn.Linear
	for _, b := range m.Blocks {
		a, f := b.Attention, b.MLP
		ls = append(ls, a.Q, a.K, a.V, a.O, f.Gate, f.Up, f.Down)
	}
	return ls
}

// Params returns every tensor under its checkpoint name, in forward order; a
// tied head stands for the embedding's.
func (m *Model) Params() []nn.Param { return m.params }

// SetTrained makes all tensors of the model trained, or frozen, for graphs
// that are built from now on. A new model is frozen.
func (m *Model) SetTrained(trained bool) {
	for _, p := range m.params {
		p.SetRequiresGrad(trained)
	}
	for _, l := range append(m.Linears(), m.Head) {
		l.Repack() // training has changed the values
	}
}

// Clone returns a model with its own copy of every tensor, frozen and without
// adapters.
func (m *Model) Clone() *Model {
	i := -1
	c, err := Build(m.Config, func(string, ...int) ([]float32, error) {
		i++
		return append([]float32(nil), m.params[i].Floats()...), nil
	})
	if err != nil {
		panic(err) // a model is only made from a valid configuration
	}
	return c
}

// New returns a model with random weights as Hugging Face starts them: normal
// with deviation 0.02, norms at 1. One seed is one model.
func New(cfg Config, seed uint64) (*Model, error) {
	const deviation = 0.02
	rng := rand.New(rand.NewPCG(seed, 0))
	return Build(cfg, func(_ string, shape ...int) ([]float32, error) {
		if len(shape) == 1 {
			w := make([]float32, shape[0])
			for i := range w {
				w[i] = 1
			}
			return w, nil
		}
		w := make([]float32, shape[0]*shape[1])
		for i := range w {
			w[i] = float32(deviation * rng.NormFloat64())
		}
		return w, nil
	})
}

// A Source gives the values of the tensor with a checkpoint name and a shape,
// row by row; the model keeps them.
type Source func(name string, shape ...int) ([]float32, error)

// Build returns a frozen model with the tensors that source gives, asked for
// once each in the order of [Model.Params]. After the source's first error,
// which Build returns, it is still asked for the others, so that it can tell
// all that is wrong.
func Build(cfg Config, source Source) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	V, C, F := cfg.VocabSize, cfg.HiddenSize, cfg.IntermediateSize
	q, kv := cfg.NumAttentionHeads*cfg.HeadDim, cfg.NumKeyValueHeads*cfg.HeadDim

	b := &builder{source: source, eps: float32(cfg.RMSNormEps)}
	m := &Model{Config: cfg}
	m.Embed = &nn.Embedding{Name: "model.embed_tokens", W: b.tensor("model.embed_tokens.weight", V, C)}
	for i := range cfg.NumHiddenLayers {
		name := fmt.Sprintf("model.layers.%d.", i)
		m.Blocks = append(m.Blocks, &Block{
			AttentionNorm: b.norm(name+"input_layernorm", C),
			Attention: &Attention{
				Q:     b.linear(name+"self_attn.q_proj", q, C),
				K:     b.linear(name+"self_attn.k_proj", kv, C),
				V:     b.linear(name+"self_attn.v_proj", kv, C),
				O:     b.linear(name+"self_attn.o_proj", C, q),
				heads: cfg.NumAttentionHeads, kvHeads: cfg.NumKeyValueHeads, dim: cfg.HeadDim,
				theta: cfg.RopeTheta,
			},
			MLPNorm: b.norm(name+"post_attention_layernorm", C),
			MLP: &MLP{
				Gate: b.linear(name+"mlp.gate_proj", F, C),
				Up:   b.linear(name+"mlp.up_proj", F, C),
				Down: b.linear(name+"mlp.down_proj", C, F),
			},
		})
	}
	m.Norm = b.norm("model.norm", C)
	if cfg.TieWordEmbeddings {
		m.Head = &nn.Linear{Name: "lm_head", Out: V, In: C, W: m.Embed.W}
	} else {
		m.Head = b.linear("lm_head", V, C)
	}
	m.params = b.params
	if b.err != nil {
		return nil, b.err
	}
	return m, nil
}

// A builder asks a source for the tensors of modules and lists them.
type builder struct {
	source Source
	eps    float32
	params []nn.Param
	err    error
}

func (b *builder) linear(name string, out, in int) *nn.Linear {
	return &nn.Linear{Name: name, Out: out, In: in, W: b.tensor(name+".weight", out, in)}
}

func (b *builder) norm(name string, n int) *nn.RMSNorm {
	return &nn.RMSNorm{Name: name, W: b.tensor(name+".weight", n), Eps: b.eps}
}

func (b *builder) tensor(name string, shape ...int) *ag.Variable {
	data, err := b.source(name, shape...)
	if b.err == nil {
		b.err = err
	}
	if b.err != nil {
		return nil
	}
	rows, cols := 1, shape[len(shape)-1]
	if len(shape) == 2 {
		rows = shape[0]
	}
	if len(data) != rows*cols {
		b.err = fmt.Errorf("llama: %s: the source gave %d values for the shape %v", name, len(data), shape)
		return nil
	}
	v := ag.NewVariable(rows, cols, data)
	b.params = append(b.params, nn.Param{Name: name, Variable: v, Shape: shape})
	return v
}
