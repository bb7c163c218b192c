package nn

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
)

// A Task is what a model's outputs are, and so what its loss is.
type Task string

// The tasks. All but Features have logits; in a Label of theirs a negative
// number, as [Ignored], is ignored.
const (
	Features       Task = "features"       // hidden states or embeddings; no loss
	NextToken      Task = "next token"     // row i: the token after i
	Token          Task = "token"          // row i: token i itself (masked, or the decoder's)
	Classification Task = "classification" // a row a sequence: one class, or with float labels any of them
	Regression     Task = "regression"     // a row a sequence: numbers
	MultiLabel     Task = "multi-label"    // a row a sequence: each class with a probability of its own
)

// Ignored is transformers' label of what the loss does not count.
const Ignored = -100

// Labels are what the loss compares logits with: Classes, one a row of the
// logits, or Values, one an entry. The graph reads them anew in every replay.
type Labels struct {
	Classes []int32
	Values  []float32
}

// Shift returns the classes of NextToken for the tokens' own labels: row i of a
// sequence gets the label of token i+1, its last row none.
func Shift(labels []int32, tokens int) []int32 {
	shifted := make([]int32, len(labels))
	for i := range labels {
		shifted[i] = -1
		if i%tokens != tokens-1 {
			shifted[i] = labels[i+1]
		}
	}
	return shifted
}

// Loss builds the mean loss of the logits, 1×1, as transformers defines it:
// the cross-entropy of classes in nats, over those that are not ignored; the
// mean square of a regression; the binary cross-entropy of several labels.
func (t Task) Loss(c *Context, logits ag.Tensor, labels Labels) (ag.Tensor, error) {
	rows, cols := ag.Dims(logits)
	switch {
	case t == Features:
		return nil, fmt.Errorf("nn: the model's outputs are %s: there is no loss", t)
	case labels.Values != nil && len(labels.Values) != rows*cols:
		return nil, fmt.Errorf("nn: %s: %d labels, the logits are %d×%d: must be one an entry", t, len(labels.Values), rows, cols)
	case labels.Values != nil && t == Regression:
		return c.Run(ag.NewMeanSquare(logits, labels.Values)), nil
	case labels.Values != nil && (t == MultiLabel || t == Classification):
		return c.Run(ag.NewBinaryCrossEntropy(logits, labels.Values)), nil
	case labels.Values != nil || t == Regression || t == MultiLabel:
		return nil, fmt.Errorf("nn: %s needs labels of another type", t)
	case len(labels.Classes) != rows:
		return nil, fmt.Errorf("nn: %s: %d labels, the logits are %d×%d: must be one a row", t, len(labels.Classes), rows, cols)
	}
	for i, class := range labels.Classes {
		if int(class) >= cols {
			return nil, fmt.Errorf("nn: %s: label %d of row %d: must be below %d", t, class, i, cols)
		}
	}
	return c.Run(ag.NewCrossEntropy(logits, labels.Classes)), nil
}
