package reference

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// size is how many sentences a batch has.
const size = 8

// batch returns the context of some texts, padded behind to the longest.
func batch(texts [][]int) *nn.Context {
	c := &nn.Context{Tape: ag.NewTape(), Batch: len(texts)}
	for _, ids := range texts {
		c.Tokens = max(c.Tokens, len(ids))
		c.End = append(c.End, len(ids))
	}
	c.IDs = make([]int32, c.Batch*c.Tokens)
	for b, ids := range texts {
		for i, id := range ids {
			c.IDs[b*c.Tokens+i] = int32(id)
		}
	}
	return c
}

// forward runs a model.
func forward(m nn.Model, c *nn.Context) (out ag.Tensor, err error) {
	if err := m.Check(c); err != nil {
		return nil, err
	}
	err = ag.Guard(func() { out = m.Forward(c) })
	return out, err
}
