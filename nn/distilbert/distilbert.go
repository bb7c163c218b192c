// Package distilbert is DistilBERT (arXiv 1910.01108) in the order of its
// forward pass, with the names that Hugging Face checkpoints use: BERT's blocks
// under other names, and other heads. It knows no token types: a context's are not
// read.
//
// The letters of the shapes: M = batch·tokens rows, V the vocabulary, P the
// positions, C the hidden width, H heads, F the width inside a feed-forward
// layer, L labels. A weight [out, in] maps x to x·Wᵀ + b; every linear map and
// norm has its bias beside its weight.
package distilbert

import (
	"errors"
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	spago "github.com/nlpodyssey/spago/nn"
)

// normEps is that of every norm; no configuration changes it.
const normEps = 1e-12

// A Model maps tokens to what its head makes of them. The names of all but the
// heads begin with "distilbert.", unless the model is bare; the fields that
// another head has are nil.
type Model struct {
	spago.Module
	nn.Body
	Config        Config
	Words         *nn.Embedding // [V, C]  "embeddings.word_embeddings.weight"
	Positions     *nn.Embedding // [P, C]  "embeddings.position_embeddings.weight"
	Norm          *nn.LayerNorm // [C]     "embeddings.LayerNorm.weight"
	Blocks        []*bert.Block // "transformer.layer.0", …
	PreClassifier *nn.Linear    // [C, C]  "pre_classifier.weight"
	Classifier    *nn.Linear    // [L, C]  "classifier.weight"
	Transform     *nn.Linear    // [C, C]  "vocab_transform.weight"
	TransformNorm *nn.LayerNorm // [C]     "vocab_layer_norm.weight"
	Projector     *nn.Linear    // [V, C]  "vocab_projector.weight", the embedding's tensor when tied

	act nn.Activation
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits of the tokens, M×V, or of the sequences, batch×L,
// or the last hidden state, M×C. It panics with an [*ag.ShapeError] where
// [Model.Check] returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "distilbert", Text: err.Error()})
	}
	x := c.Run(ag.NewAdd(m.Words.Forward(c, c.IDs), m.Positions.Forward(c, c.Positions())))
	x = c.Keep(m.Norm.Forward(c, x)) // M×C
	read := m.Config.Head.Reads(c)
	for i, b := range m.Blocks {
		x = c.Keep(c.Block(func() ag.Tensor { return b.Forward(c, x, read.In(c, i, len(m.Blocks))) }))
	}
	x = read.Of(c, x) // M×C, or batch×C
	switch m.Config.Head {
	case bert.SequenceClassifier:
		x = m.PreClassifier.Forward(c, x)
		return m.Classifier.Forward(c, c.Run(ag.NewReLU(x)))
	case bert.MaskedLM:
		x = m.TransformNorm.Forward(c, m.act(c, m.Transform.Forward(c, x)))
		return m.Projector.Forward(c, x)
	}
	return x
}

// Check returns an error when the context's tokens, their number or padding do
// not fit, or when there is a cache: what stands before a token depends on what
// follows it. New inputs must pass it before each replay.
func (m *Model) Check(c *nn.Context) error {
	if c.Cache != nil {
		return errors.New("a cache: an encoder needs all tokens at once")
	}
	return c.CheckTokens(m.Words.In, m.Config.MaxPositionEmbeddings)
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task { return m.Config.Task }

// Build returns a frozen model of a configuration that UnmarshalJSON has read,
// with the tensors that source gives, asked for once each in the order of
// [Model.Params].
func Build(cfg Config, source nn.Source) (*Model, error) {
	act, err := nn.ActivationOf(cfg.Activation)
	if err != nil {
		return nil, fmt.Errorf("distilbert: activation: %w", err)
	}
	prefix := "distilbert."
	if cfg.Head == bert.Bare {
		prefix = ""
	}
	b := nn.NewBuilder(source)
	C, F := cfg.Dim, cfg.HiddenDim
	m := &Model{
		Config: cfg, act: act,
		Words:     b.Embedding(prefix+"embeddings.word_embeddings", cfg.VocabSize, C, cfg.PadTokenID),
		Positions: b.Embedding(prefix+"embeddings.position_embeddings", cfg.MaxPositionEmbeddings, C),
		Norm:      b.LayerNorm(prefix+"embeddings.LayerNorm", C, normEps),
	}
	for i := range cfg.NumLayers {
		name := fmt.Sprintf("%stransformer.layer.%d.", prefix, i)
		m.Blocks = append(m.Blocks, &bert.Block{
			Q:             b.Linear(name+"attention.q_lin", C, C, true),
			K:             b.Linear(name+"attention.k_lin", C, C, true),
			V:             b.Linear(name+"attention.v_lin", C, C, true),
			O:             b.Linear(name+"attention.out_lin", C, C, true),
			AttentionNorm: b.LayerNorm(name+"sa_layer_norm", C, normEps),
			Up:            b.Linear(name+"ffn.lin1", F, C, true),
			Down:          b.Linear(name+"ffn.lin2", C, F, true),
			Norm:          b.LayerNorm(name+"output_layer_norm", C, normEps),
			Heads:         cfg.NumHeads, Act: act,
		})
	}
	switch cfg.Head {
	case bert.SequenceClassifier:
		m.PreClassifier = b.Linear("pre_classifier", C, C, true)
		m.Classifier = b.Linear("classifier", cfg.Labels, C, true)
		m.Classifier.Output = true
	case bert.MaskedLM:
		m.Transform = b.Linear("vocab_transform", C, C, true)
		m.TransformNorm = b.LayerNorm("vocab_layer_norm", C, normEps)
		m.Projector = m.projector(b)
	case bert.Bare:
	default:
		return nil, fmt.Errorf("distilbert: no head %q", cfg.Head)
	}
	if m.Body, err = b.Body(); err != nil {
		return nil, err
	}
	return m, nil
}

// projector builds the output map of a masked language model, whose bias is its
// own, tied or not.
func (m *Model) projector(b *nn.Builder) *nn.Linear {
	const name = "vocab_projector"
	V, C := m.Config.VocabSize, m.Config.Dim
	if !m.Config.TieWordEmbeddings {
		l := b.Linear(name, V, C, true)
		l.Output = true
		return l
	}
	l := b.TiedOutput(name, m.Words)
	l.Bias = b.Tensor(name+".bias", V)
	return l
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
