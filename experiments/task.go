package experiments

import (
	"fmt"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
)

// The tasks that a model of the user's own is adapted to.
const (
	CausalLM            = "causal-lm"            // the next token, of texts or of what follows a prompt
	MaskedLM            = "masked-lm"            // tokens that are hidden
	Classification      = "classification"       // one class of a text or a pair of texts
	Regression          = "regression"           // a number
	MultiLabel          = "multi-label"          // any number of classes
	Seq2Seq             = "seq2seq"              // a text from another
	ImageClassification = "image-classification" // one class of an image
)

// auto is the task that follows from the model's architecture and the data.
const auto = "auto"

// Tasks are the tasks that a configuration may name.
var Tasks = []string{CausalLM, MaskedLM, Classification, Regression, MultiLabel, Seq2Seq, ImageClassification}

// heads are the tasks of a classifier.
var heads = map[string]nn.Task{
	Classification: nn.Classification, Regression: nn.Regression, MultiLabel: nn.MultiLabel, ImageClassification: nn.Classification,
}

// classifies reports whether a task has a head of its own.
func classifies(task string) bool { return heads[task] != "" }

// outputs are what the others need a model's outputs to be.
var outputs = map[string]nn.Task{CausalLM: nn.NextToken, MaskedLM: nn.Token, Seq2Seq: nn.Token}

// peftTypes are PEFT's names of the tasks; it has none for images and for
// masked tokens.
var peftTypes = map[string]string{
	CausalLM: "CAUSAL_LM", Classification: "SEQ_CLS", Regression: "SEQ_CLS", MultiLabel: "SEQ_CLS", Seq2Seq: "SEQ_2_SEQ_LM",
}

// taskOf returns the task of a configuration, or the one that the model and the
// data are for.
func taskOf(c *Config, f *folder, s *source) (string, error) {
	if c.Task != auto {
		return c.Task, s.fits(c.Task)
	}
	d := c.Data
	lm := CausalLM
	if f.ends("ForMaskedLM") {
		lm = MaskedLM
	}
	switch {
	case s.images != nil:
		return ImageClassification, nil
	case f.EncoderDecoder:
		return Seq2Seq, s.fits(Seq2Seq)
	case s.table == nil:
		return lm, nil
	case d.Label != "":
		return s.labelled(d)
	case d.Target != "":
		return CausalLM, nil
	case f.ends("ForSequenceClassification"):
		return s.labelled(d)
	case lm == CausalLM && f.ends("ForCausalLM", "LMHeadModel") && has(s.table, targetColumns):
		return CausalLM, nil
	case has(s.table, labelColumns):
		return s.labelled(d)
	}
	return lm, nil
}

// fits refuses a task that these data cannot be for.
func (s *source) fits(task string) error {
	switch {
	case (task == ImageClassification) != (s.images != nil):
		return fmt.Errorf("task %s: data.train is %s", task, s.kind())
	case s.table == nil && task != ImageClassification && task != CausalLM && task != MaskedLM:
		return fmt.Errorf("task %s needs columns, of a .jsonl, .csv or .parquet file: data.train is %s", task, s.kind())
	}
	return nil
}

// labelled returns the task that the column of labels is for.
func (s *source) labelled(d Data) (string, error) {
	column, err := s.column("label", d.Label, labelColumns)
	if err != nil {
		return "", err
	}
	values, err := s.table.LabelsOf(column)
	if len(d.Labels) > 0 && values == data.Reals {
		values = data.Classes
	}
	return map[data.Values]string{data.Classes: Classification, data.Reals: Regression, data.Sets: MultiLabel}[values], err
}
