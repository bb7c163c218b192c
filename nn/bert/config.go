package bert

import (
	"fmt"

	"github.com/lowrank/lowrank/nn"
)

// A Config is the shape of a model, as config.json of a Hugging Face BertModel,
// BertForMaskedLM or BertForSequenceClassification gives it.
type Config struct {
	Head                  Head    // architectures, less the family's name
	VocabSize             int     // V  vocab_size
	HiddenSize            int     // C  hidden_size
	NumHiddenLayers       int     // num_hidden_layers
	NumAttentionHeads     int     // H  num_attention_heads, divides C
	IntermediateSize      int     // F  intermediate_size
	HiddenAct             string  // hidden_act, of [nn.ActivationOf]
	MaxPositionEmbeddings int     // P  max_position_embeddings, the most tokens of a sequence
	TypeVocabSize         int     // S  type_vocab_size
	LayerNormEps          float64 // layer_norm_eps, inside the root

	Labels int     // L  id2label or num_labels, of a classifier
	Task   nn.Task // problem_type, of a classifier

	// TieWordEmbeddings, tie_word_embeddings: the masked language model's decoder
	// is the embedding table.
	TieWordEmbeddings bool
	PadTokenID        int // pad_token_id, whose word is not trained; -1: none
	PositionPadding   int // likewise of the positions
}

// A Head is what stands on the encoder: the end of an architecture's name.
type Head string

// The heads.
const (
	Bare               Head = "Model"                     // none: hidden states
	MaskedLM           Head = "ForMaskedLM"               // logits of every token
	SequenceClassifier Head = "ForSequenceClassification" // logits of every sequence
)

// Reads returns the rows of the last hidden state that the head reads.
func (h Head) Reads(c *nn.Context) *nn.Rows {
	if h == SequenceClassifier {
		return c.FirstToken()
	}
	return nil
}

// UnmarshalJSON reads a config.json. An error of one line names the key that
// is wrong, or that asks for what is not computed here.
func (c *Config) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("bert: %w", err)
	}
	f.Only("model_type", "bert")
	*c = ReadConfig(f, "Bert")
	if err := f.Done(); err != nil {
		return fmt.Errorf("bert: %w", err)
	}
	return nil
}

// ReadConfig asks for the keys of a family whose architectures' names begin
// with its own, and whose encoder and heads have BERT's keys.
func ReadConfig(f *nn.Fields, family string) Config {
	c := Config{
		VocabSize:             f.Size("vocab_size", 0),
		HiddenSize:            f.Size("hidden_size", 0),
		NumHiddenLayers:       f.Count("num_hidden_layers", 0),
		NumAttentionHeads:     f.Size("num_attention_heads", 0),
		IntermediateSize:      f.Size("intermediate_size", 0),
		HiddenAct:             f.String("hidden_act", "gelu"),
		MaxPositionEmbeddings: f.Size("max_position_embeddings", 0),
		TypeVocabSize:         f.Size("type_vocab_size", 2),
		LayerNormEps:          f.Positive("layer_norm_eps", 1e-12),
		TieWordEmbeddings:     f.Bool("tie_word_embeddings", true),
	}
	c.Head, c.Labels, c.Task = ReadHead(f, family)
	c.PadTokenID, c.PositionPadding = f.Padding(0), -1
	if _, err := nn.ActivationOf(c.HiddenAct); err != nil {
		f.Fail("hidden_act", ": %v", err)
	}
	if c.LayerNormEps >= 1 {
		f.Fail("layer_norm_eps", " = %g: must be below 1", c.LayerNormEps)
	}
	f.Divides("num_attention_heads", c.NumAttentionHeads, "hidden_size", c.HiddenSize)
	C := c.HiddenSize
	f.Total(c.VocabSize+c.MaxPositionEmbeddings+c.TypeVocabSize+c.Labels, C)
	f.Total(c.NumHiddenLayers, 4*C*C+2*C*c.IntermediateSize)
	f.Only("position_embedding_type", "absolute")
	f.Only("is_decoder", false)
	f.Only("add_cross_attention", false)
	// Of other programs, and of transformers that are long gone.
	f.Ignore("directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
		"pooler_size_per_head", "pooler_type", "output_past")
	return c
}

// ReadHead finds the head in the architecture's name, which begins with the
// family's, the number of labels, 0 unless they are classified, and the task.
func ReadHead(f *nn.Fields, family string) (head Head, labels int, task nn.Task) {
	names := f.Strings("architectures")
	if len(names) == 1 {
		switch names[0] {
		case family + string(Bare):
			head, task = Bare, nn.Features
		case family + string(MaskedLM):
			head, task = MaskedLM, nn.Token
		case family + string(SequenceClassifier):
			labels = f.Labels()
			return SequenceClassifier, labels, f.SequenceTask(labels)
		}
	}
	if head == "" {
		f.Refuse("architectures", " = %.80s: must be one of %s%s, %[2]s%[4]s, %[2]s%[5]s", fmt.Sprintf("%q", names), family, Bare, MaskedLM, SequenceClassifier)
	}
	f.Ignore("id2label", "problem_type") // say nothing where no sequence is classified
	return head, 0, task
}
