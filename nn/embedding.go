package nn

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/nlpodyssey/spago/nn"
)

// An Embedding is a table with a row for each token id.
type Embedding struct {
	nn.Module
	Name string       // of the module: model.embed_tokens
	W    *ag.Variable // vocabulary×n  Name + ".weight"
}

// Forward builds the rows of the context's ids, M×n. The ids must lie within
// the table, in this run and in every replay: a [Model] checks them.
func (e *Embedding) Forward(c *Context) ag.Tensor {
	return c.Run(ag.NewEmbedding(e.W, c.IDs))
}
