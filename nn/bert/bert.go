// Package bert is BERT (arXiv 1810.04805) in the order of its forward pass,
// with the names that Hugging Face checkpoints use. [Encoder] is RoBERTa's too, [Block]
// DistilBERT's as well.
//
// The letters of the shapes: M = batch·tokens rows, V the vocabulary, P the
// positions, S the token types, C the hidden width, H heads, F the width inside
// a feed-forward layer, L labels. A weight [out, in] maps x to x·Wᵀ + b; every
// linear map and norm has its bias beside its weight.
package bert

import (
	"errors"
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps tokens to what its head makes of them. The fields that another
// head has are nil.
type Model struct {
	spago.Module
	nn.Body
	Config     Config
	Encoder    *Encoder      // "bert.…"; without the prefix in a bare model
	Pooler     *nn.Linear    // [C, C]  "bert.pooler.dense.weight", of a classifier; "pooler.dense.weight", of a bare model
	Classifier *nn.Linear    // [L, C]  "classifier.weight"
	Transform  *nn.Linear    // [C, C]  "cls.predictions.transform.dense.weight", of a masked language model
	Norm       *nn.LayerNorm // [C]     "cls.predictions.transform.LayerNorm.weight"
	Decoder    *nn.Linear    // [V, C]  "cls.predictions.decoder.weight" and ".bias"; tied, the embedding's tensor and "cls.predictions.bias"

	act nn.Activation
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits of the tokens, M×V, or of the sequences, batch×L,
// or the last hidden state, M×C. It panics with an [*ag.ShapeError] where
// [Model.Check] returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "bert", Text: err.Error()})
	}
	read := m.Config.Head.Reads(c)
	x := read.Of(c, m.Encoder.Forward(c, c.Positions(), read)) // M×C, or batch×C
	switch m.Config.Head {
	case SequenceClassifier:
		x = m.Pooler.Forward(c, x)
		return m.Classifier.Forward(c, c.Run(ag.NewTanh(x)))
	case MaskedLM:
		x = m.Norm.Forward(c, m.act(c, m.Transform.Forward(c, x)))
		return m.Decoder.Forward(c, x)
	}
	return x
}

// Check returns an error when the context's tokens, their number, types or
// padding do not fit. New inputs must pass it before each replay.
func (m *Model) Check(c *nn.Context) error {
	if err := c.CheckTokens(m.Encoder.Words.In, m.Config.MaxPositionEmbeddings); err != nil {
		return err
	}
	return m.Encoder.Check(c)
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task { return m.Config.Task }

// An Encoder is the embeddings and the blocks.
type Encoder struct {
	spago.Module
	Words     *nn.Embedding // [V, C]  "embeddings.word_embeddings.weight"
	Types     *nn.Embedding // [S, C]  "embeddings.token_type_embeddings.weight"
	Positions *nn.Embedding // [P, C]  "embeddings.position_embeddings.weight"
	Norm      *nn.LayerNorm // [C]     "embeddings.LayerNorm.weight"
	Blocks    []*Block      // "encoder.layer.0", …
}

// Forward builds the last hidden state, M×C, for the tokens at positions, which
// the graph reads anew in every replay, for a head that reads some rows of it.
func (e *Encoder) Forward(c *nn.Context, positions []int32, read *nn.Rows) ag.Tensor {
	types := c.Types
	if types == nil {
		types = make([]int32, len(c.IDs))
	}
	x := c.Run(ag.NewAdd(e.Words.Forward(c, c.IDs), e.Types.Forward(c, types)))
	x = c.Run(ag.NewAdd(x, e.Positions.Forward(c, positions)))
	x = c.Keep(e.Norm.Forward(c, x)) // M×C
	for i, b := range e.Blocks {
		x = c.Keep(c.Block(func() ag.Tensor { return b.Forward(c, x, read.In(c, i, len(e.Blocks))) }))
	}
	return x
}

// Check returns an error when the token types do not fit, or when there is a
// cache: what stands before a token depends on what follows it.
func (e *Encoder) Check(c *nn.Context) error {
	if c.Cache != nil {
		return errors.New("a cache: an encoder needs all tokens at once")
	}
	return c.CheckTypes(e.Types.In)
}

// A Block is one layer, x = norm(x + attention(x)), then norm(x + mlp(x)). Every
// token sees all that are no padding.
type Block struct {
	spago.Module
	Q             *nn.Linear    // [C, C]  "attention.self.query.weight"
	K             *nn.Linear    // [C, C]  "attention.self.key.weight"
	V             *nn.Linear    // [C, C]  "attention.self.value.weight"
	O             *nn.Linear    // [C, C]  "attention.output.dense.weight"
	AttentionNorm *nn.LayerNorm // [C]     "attention.output.LayerNorm.weight"
	Up            *nn.Linear    // [F, C]  "intermediate.dense.weight"
	Down          *nn.Linear    // [C, F]  "output.dense.weight"
	Norm          *nn.LayerNorm // [C]     "output.LayerNorm.weight"

	Heads int
	Act   nn.Activation
}

// Forward builds the rows of the block on x, M×C.
func (b *Block) Forward(c *nn.Context, x ag.Tensor, rows *nn.Rows) ag.Tensor {
	all := x
	x = rows.Of(c, x)
	q, k, v := b.Q.Forward(c, x), b.K.Forward(c, all), b.V.Forward(c, all)
	y := c.Attend(nn.AttentionShape{Heads: b.Heads, KVHeads: b.Heads}, q, k, v, rows)
	x = b.AttentionNorm.Forward(c, c.Run(ag.NewAdd(b.O.Forward(c, y), x)))
	y = b.Act(c, b.Up.Forward(c, x)) // M×F
	return b.Norm.Forward(c, c.Run(ag.NewAdd(b.Down.Forward(c, y), x)))
}

// NewEncoder builds an encoder whose names have the prefix, such as "bert.".
func NewEncoder(b *nn.Builder, prefix string, cfg Config, act nn.Activation) *Encoder {
	C, F, eps := cfg.HiddenSize, cfg.IntermediateSize, cfg.LayerNormEps
	e := &Encoder{
		Words:     b.Embedding(prefix+"embeddings.word_embeddings", cfg.VocabSize, C, cfg.PadTokenID),
		Types:     b.Embedding(prefix+"embeddings.token_type_embeddings", cfg.TypeVocabSize, C),
		Positions: b.Embedding(prefix+"embeddings.position_embeddings", cfg.MaxPositionEmbeddings, C, cfg.PositionPadding),
		Norm:      b.LayerNorm(prefix+"embeddings.LayerNorm", C, eps),
	}
	for i := range cfg.NumHiddenLayers {
		name := fmt.Sprintf("%sencoder.layer.%d.", prefix, i)
		e.Blocks = append(e.Blocks, &Block{
			Q:             b.Linear(name+"attention.self.query", C, C, true),
			K:             b.Linear(name+"attention.self.key", C, C, true),
			V:             b.Linear(name+"attention.self.value", C, C, true),
			O:             b.Linear(name+"attention.output.dense", C, C, true),
			AttentionNorm: b.LayerNorm(name+"attention.output.LayerNorm", C, eps),
			Up:            b.Linear(name+"intermediate.dense", F, C, true),
			Down:          b.Linear(name+"output.dense", C, F, true),
			Norm:          b.LayerNorm(name+"output.LayerNorm", C, eps),
			Heads:         cfg.NumAttentionHeads, Act: act,
		})
	}
	return e
}

// NewDecoder builds the output map of a masked language model, name, with its
// own weight and bias or, tied, the embedding's weight and the bias that stands
// beside it. An untied checkpoint has that bias as well, and nothing uses it.
func NewDecoder(b *nn.Builder, name, bias string, words *nn.Embedding, tied bool) *nn.Linear {
	if !tied {
		l := b.Linear(name, words.In, words.Out, true)
		l.Output = true
		b.Tensor(bias, words.In)
		return l
	}
	l := b.TiedOutput(name, words)
	l.Bias = b.Tensor(bias, words.In)
	return l
}

// Build returns a frozen model of a configuration that UnmarshalJSON has read,
// with the tensors that source gives, asked for once each in the order of
// [Model.Params].
func Build(cfg Config, source nn.Source) (*Model, error) {
	act, err := nn.ActivationOf(cfg.HiddenAct)
	if err != nil {
		return nil, fmt.Errorf("bert: hidden_act: %w", err)
	}
	b := nn.NewBuilder(source)
	m := &Model{Config: cfg, act: act}
	C := cfg.HiddenSize
	switch cfg.Head {
	case SequenceClassifier:
		m.Encoder = NewEncoder(b, "bert.", cfg, act)
		m.Pooler = b.Linear("bert.pooler.dense", C, C, true)
		m.Classifier = b.Linear("classifier", cfg.Labels, C, true)
		m.Classifier.Output = true
	case MaskedLM:
		m.Encoder = NewEncoder(b, "bert.", cfg, act)
		m.Transform = b.Linear("cls.predictions.transform.dense", C, C, true)
		m.Norm = b.LayerNorm("cls.predictions.transform.LayerNorm", C, cfg.LayerNormEps)
		m.Decoder = NewDecoder(b, "cls.predictions.decoder", "cls.predictions.bias", m.Encoder.Words, cfg.TieWordEmbeddings)
	case Bare:
		m.Encoder = NewEncoder(b, "", cfg, act)
		if !b.Lacks("pooler.dense.weight") {
			m.Pooler = b.Linear("pooler.dense", C, C, true)
		}
	default:
		return nil, fmt.Errorf("bert: no head %q", cfg.Head)
	}
	if m.Body, err = b.Body(); err != nil {
		return nil, err
	}
	return m, nil
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
