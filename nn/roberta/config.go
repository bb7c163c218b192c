package roberta

import (
	"fmt"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
)

// A Config is the shape of a model, as config.json of a Hugging Face
// RobertaModel, RobertaForMaskedLM or RobertaForSequenceClassification gives
// it: BERT's keys, and the token that is counted as no position.
type Config struct {
	bert.Config // positions start after PadTokenID
}

// UnmarshalJSON reads a config.json. An error of one line names the key that
// is wrong, or that asks for what is not computed here.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("roberta: %w", err)
	}
	f.Only("model_type", "roberta")
	*c = Config{bert.ReadConfig(f, "Roberta")}
	c.PadTokenID = f.Index("pad_token_id", 1)
	c.PositionPadding = c.PadTokenID
	if c.PadTokenID >= c.VocabSize {
		f.Fail("pad_token_id", " = %d: must be below vocab_size = %d", c.PadTokenID, c.VocabSize)
	}
	if c.PadTokenID+1 >= c.MaxPositionEmbeddings {
		f.Fail("max_position_embeddings", " = %d: must be more than pad_token_id + 1 = %d", c.MaxPositionEmbeddings, c.PadTokenID+1)
	}
	if err := f.Done(); err != nil {
		return fmt.Errorf("roberta: %w", err)
	}
	return nil
}
