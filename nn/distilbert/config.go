package distilbert

import (
	"fmt"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
)

// A Config is the shape of a model, as config.json of a Hugging Face
// DistilBertModel, DistilBertForMaskedLM or DistilBertForSequenceClassification
// gives it.
type Config struct {
	Head                  bert.Head // architectures, less the family's name
	VocabSize             int       // V  vocab_size
	Dim                   int       // C  dim
	NumLayers             int       // n_layers
	NumHeads              int       // H  n_heads, divides C
	HiddenDim             int       // F  hidden_dim
	Activation            string    // activation, of [nn.ActivationOf]
	MaxPositionEmbeddings int       // P  max_position_embeddings, the most tokens of a sequence
	PadTokenID            int       // pad_token_id, whose word is not trained; -1: none

	Labels int     // L  id2label or num_labels, of a classifier
	Task   nn.Task // problem_type, of a classifier

	// TieWordEmbeddings, tie_word_embeddings: the masked language model's
	// projector is the embedding table.
	TieWordEmbeddings bool
}

// UnmarshalJSON reads a config.json. An error of one line names the key that
// is wrong, or that asks for what is not computed here.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("distilbert: %w", err)
	}
	*c = Config{
		VocabSize:             f.Size("vocab_size", 0),
		Dim:                   f.Size("dim", 0),
		NumLayers:             f.Count("n_layers", 0),
		NumHeads:              f.Size("n_heads", 0),
		HiddenDim:             f.Size("hidden_dim", 0),
		Activation:            f.String("activation", "gelu"),
		MaxPositionEmbeddings: f.Size("max_position_embeddings", 0),
		TieWordEmbeddings:     f.Bool("tie_word_embeddings", true),
		PadTokenID:            f.Padding(0),
	}
	c.Head, c.Labels, c.Task = bert.ReadHead(f, "DistilBert")
	if _, err := nn.ActivationOf(c.Activation); err != nil {
		f.Fail("activation", ": %v", err)
	}
	f.Divides("n_heads", c.NumHeads, "dim", c.Dim)
	f.Total(c.VocabSize+c.MaxPositionEmbeddings+c.Labels, c.Dim)
	f.Total(c.NumLayers, 4*c.Dim*c.Dim+2*c.Dim*c.HiddenDim)
	f.Only("model_type", "distilbert")
	// The first says how a new table of positions starts; checkpoints have the
	// table. The others are of transformers that are long gone.
	f.Ignore("sinusoidal_pos_embds", "tie_weights_", "output_past")
	if err := f.Done(); err != nil {
		return fmt.Errorf("distilbert: %w", err)
	}
	return nil
}
