// Package roberta is RoBERTa (arXiv 1907.11692) in the order of its forward
// pass, with the names that Hugging Face checkpoints use: BERT's encoder with
// positions that count no padding, and other heads.
//
// The letters of the shapes are those of package bert: M = batch·tokens rows, V
// the vocabulary, C the hidden width, L labels. Every linear map and norm has
// its bias beside its weight.
package roberta

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	spago "github.com/nlpodyssey/spago/nn"
)

// A Model maps tokens to what its head makes of them. The fields that another
// head has are nil.
type Model struct {
	spago.Module
	nn.Body
	Config  Config
	Encoder *bert.Encoder // "roberta.…"; without the prefix in a bare model
	Pooler  *nn.Linear    // [C, C]  "pooler.dense.weight", of a bare model, whose output does not use it
	Dense   *nn.Linear    // [C, C]  "classifier.dense.weight" or, of a masked language model, "lm_head.dense.weight"
	Norm    *nn.LayerNorm // [C]     "lm_head.layer_norm.weight"
	Out     *nn.Linear    // [L, C]  "classifier.out_proj.weight"
	Decoder *nn.Linear    // [V, C]  "lm_head.decoder.weight" and ".bias"; tied, the embedding's tensor and "lm_head.bias"
}

var _ nn.Model = (*Model)(nil)

// Forward builds the logits of the tokens, M×V, or of the sequences, batch×L,
// or the last hidden state, M×C. It panics with an [*ag.ShapeError] where
// [Model.Check] returns an error.
func (m *Model) Forward(c *nn.Context) ag.Tensor {
	if err := m.Check(c); err != nil {
		panic(&ag.ShapeError{Op: "roberta", Text: err.Error()})
	}
	positions := make([]int32, len(c.IDs))
	c.Do(func() { m.positions(c, positions) })
	read := m.Config.Head.Reads(c)
	x := read.Of(c, m.Encoder.Forward(c, positions, read)) // M×C, or batch×C
	switch m.Config.Head {
	case bert.SequenceClassifier:
		x = m.Dense.Forward(c, x)
		return m.Out.Forward(c, c.Run(ag.NewTanh(x)))
	case bert.MaskedLM:
		x = c.Run(ag.NewGELU(m.Dense.Forward(c, x))) // whatever hidden_act is
		return m.Decoder.Forward(c, m.Norm.Forward(c, x))
	}
	return x
}

// positions writes the number of every token among those of its sequence that
// are not the padding token, counted from one, behind the padding token's own
// id, which padding gets. What the attention sees has no part in it.
func (m *Model) positions(c *nn.Context, positions []int32) {
	pad := int32(m.Config.PadTokenID)
	var n int32
	for i, id := range c.IDs {
		if i%c.Tokens == 0 {
			n = pad
		}
		positions[i] = pad
		if id != pad {
			n++
			positions[i] = n
		}
	}
}

// Check returns an error when the context's tokens, their number, types or
// padding do not fit. New inputs must pass it before each replay.
func (m *Model) Check(c *nn.Context) error {
	if err := c.CheckTokens(m.Encoder.Words.In, 0); err != nil {
		return err
	}
	positions := make([]int32, len(c.IDs))
	m.positions(c, positions)
	most := m.Config.MaxPositionEmbeddings - m.Config.PadTokenID - 1
	for i, p := range positions {
		if int(p) >= m.Config.MaxPositionEmbeddings {
			return fmt.Errorf("row %d has more than %d tokens that are not pad_token_id: must be at most max_position_embeddings - pad_token_id - 1 = %[2]d", i/c.Tokens, most)
		}
	}
	return m.Encoder.Check(c)
}

// Task is what the outputs are.
func (m *Model) Task() nn.Task { return m.Config.Task }

// Build returns a frozen model of a configuration that UnmarshalJSON has read,
// with the tensors that source gives, asked for once each in the order of
// [Model.Params].
func Build(cfg Config, source nn.Source) (*Model, error) {
	act, err := nn.ActivationOf(cfg.HiddenAct)
	if err != nil {
		return nil, fmt.Errorf("roberta: hidden_act: %w", err)
	}
	b := nn.NewBuilder(source)
	m := &Model{Config: cfg}
	C := cfg.HiddenSize
	switch cfg.Head {
	case bert.SequenceClassifier:
		m.Encoder = bert.NewEncoder(b, "roberta.", cfg.Config, act)
		m.Dense = b.Linear("classifier.dense", C, C, true)
		m.Out = b.Linear("classifier.out_proj", cfg.Labels, C, true)
		// PEFT trains the whole module named classifier, and adapts nothing in it.
		m.Dense.Output, m.Out.Output = true, true
	case bert.MaskedLM:
		m.Encoder = bert.NewEncoder(b, "roberta.", cfg.Config, act)
		m.Dense = b.Linear("lm_head.dense", C, C, true)
		m.Norm = b.LayerNorm("lm_head.layer_norm", C, cfg.LayerNormEps)
		m.Decoder = bert.NewDecoder(b, "lm_head.decoder", "lm_head.bias", m.Encoder.Words, cfg.TieWordEmbeddings)
	case bert.Bare:
		m.Encoder = bert.NewEncoder(b, "", cfg.Config, act)
		if !b.Lacks("pooler.dense.weight") {
			m.Pooler = b.Linear("pooler.dense", C, C, true)
		}
	default:
		return nil, fmt.Errorf("roberta: no head %q", cfg.Head)
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
