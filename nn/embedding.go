package nn

import "github.com/lowrank/lowrank/ag"

// An Embedding is a table with a row for each id: the linear map of one-hot
// rows, whose weight n×rows the checkpoint has as its transpose.
type Embedding struct {
	*Linear // Kind Table; W is rows×n
}

// Forward builds the rows of ids, len(ids)×n. The graph reads the ids anew in
// every replay; they must lie within the table: a [Model] checks them.
func (e *Embedding) Forward(c *Context, ids []int32) ag.Tensor {
	if e.Adapter != nil {
		return e.Adapter.Lookup(c, ids)
	}
	return c.Run(ag.NewEmbedding(e.W, ids).Except(e.Padding))
}
