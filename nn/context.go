package nn

import (
	"errors"
	"fmt"

	"github.com/lowrank/lowrank/ag"
)

// A Context is what a model's forward pass is built on: the tape, the batch,
// and what the layers leave there. A graph reads IDs, Types, First, End,
// Pixels and Decoder anew in every replay; their lengths stay.
type Context struct {
	*ag.Tape
	Batch, Tokens int
	IDs           []int32 // Batch·Tokens token ids
	Types         []int32 // of the tokens (BERT's segments); nil: none given
	// First and End say which tokens of each sequence are no padding: those from
	// First[b] up to End[b]-1. Nil: from 0, to Tokens.
	First, End []int
	Pixels     *ag.Variable // Batch×(channels·height·width), of a vision model
	Decoder    *Context     // the decoder's batch, of an encoder with a decoder
	Cache      *Cache       // keys and values of the tokens that went before; nil: none
	Last       bool         // the logits of a sequence's last token are wanted alone
	Noise      *ag.Noise    // of adapters' dropout; nil: none
	Checkpoint bool         // of each block of the model the output alone is kept: see [Context.Block]
	// Sparing: of the last block, where the output is made of one row a sequence,
	// these rows alone are computed, and Hidden has no others of it. Outputs are the
	// same, gradients too but for the order of their sums. What speaks of all tokens
	// is not to be spared: the balance of experts, calibration.
	Sparing bool
	Aside   bool // adapted maps keep nothing of the graph: instruments look at another

	Losses []Loss
	Hidden []ag.Tensor // the residual stream: embeddings, then the output of every block
}

// A Loss is a named 1×1 tensor that is added to the objective with a weight.
type Loss struct {
	Name   string
	Weight float32
	Value  ag.Tensor
}

// AddLoss adds weight·value to the objective, under a name for the records.
func (c *Context) AddLoss(name string, weight float32, value ag.Tensor) {
	c.Own(value)
	c.Losses = append(c.Losses, Loss{name, weight, value})
}

// Keep appends x to the hidden states and returns it.
func (c *Context) Keep(x ag.Tensor) ag.Tensor {
	c.Own(x)
	c.Hidden = append(c.Hidden, x)
	return x
}

// Block builds a block of a model, as build does. Outputs of it that no gradient reads
// are not kept (see [ag.Tape.Block]); with Checkpoint its result is all that is: the
// rest is computed again when gradients need it, which takes the time of one more
// forward pass and leaves them as they are, bit for bit (see [ag.Tape.Checkpoint]).
func (c *Context) Block(build func() ag.Tensor) ag.Tensor {
	if c.Checkpoint {
		return c.Tape.Checkpoint(build)
	}
	return c.Tape.Block(build)
}

// CheckTokens returns an error when the ids are not batch·tokens within the
// vocabulary, the tokens are more than most (0: any number), or the padding
// does not fit. New inputs must pass it before each replay.
func (c *Context) CheckTokens(vocabulary, most int) error {
	if err := c.checkIDs("token id", c.IDs, vocabulary); err != nil {
		return err
	}
	n := c.Past() + c.Tokens
	switch {
	case most > 0 && n > most:
		return fmt.Errorf("%d tokens: must be at most max_position_embeddings = %d", n, most)
	case c.Cache != nil && (c.Batch != 1 || n > c.Cache.Most):
		return fmt.Errorf("%d sequences, %d tokens with those of the cache: it takes one of at most %d", c.Batch, n, c.Cache.Most)
	}
	mask := ag.Mask{First: c.First, End: c.End}
	if err := mask.Check(c.Batch, c.Tokens, c.Past()+c.Tokens); err != nil {
		return fmt.Errorf("padding: %w", err)
	}
	return nil
}

// CheckTypes returns an error when there are token types and they do not fit.
func (c *Context) CheckTypes(types int) error {
	if c.Types == nil {
		return nil
	}
	return c.checkIDs("token type", c.Types, types)
}

// CheckPixels returns an error when the pixels are not those of a batch of images
// that a window goes over, or there is padding or a cache, which images have not.
func (c *Context) CheckPixels(w ag.Window) error {
	switch {
	case c.Pixels == nil:
		return errors.New("no pixels")
	case c.Batch < 1 || c.Pixels.Rows() != c.Batch || c.Pixels.Cols() != w.In():
		return fmt.Errorf("pixels are %d×%d: must be batch×(channels·height·width) = %d×(%d·%d·%d), batch at least 1",
			c.Pixels.Rows(), c.Pixels.Cols(), c.Batch, w.Channels, w.Height, w.Width)
	case c.First != nil || c.End != nil || c.Cache != nil:
		return errors.New("padding or a cache: images have neither")
	}
	return nil
}

func (c *Context) checkIDs(what string, ids []int32, n int) error {
	if c.Batch < 1 || c.Tokens < 1 || len(ids)/c.Tokens != c.Batch || len(ids)%c.Tokens != 0 {
		return fmt.Errorf("%d %ss: must be batch·tokens = %d·%d, both at least 1", len(ids), what, c.Batch, c.Tokens)
	}
	for i, id := range ids {
		if id < 0 || int(id) >= n {
			return fmt.Errorf("%s %d in row %d, position %d: must lie in [0, %d)", what, id, i/c.Tokens, i%c.Tokens, n)
		}
	}
	return nil
}

// Past is how many tokens the cache holds.
func (c *Context) Past() int {
	if c.Cache == nil {
		return 0
	}
	return c.Cache.Len
}

// Positions returns the place of every token in its sequence, Batch·Tokens
// numbers that start after the cache's.
func (c *Context) Positions() []int32 {
	p := make([]int32, c.Batch*c.Tokens)
	for i := range p {
		p[i] = int32(c.Past() + i%c.Tokens)
	}
	return p
}
