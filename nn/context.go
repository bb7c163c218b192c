package nn

import "github.com/lowrank/lowrank/ag"

// A Context is what a model's forward pass is built on: the tape, the shape
// of the batch and its tokens, and the losses that layers add to the model's
// own (a router's balance, an orthogonality penalty).
type Context struct {
	*ag.Tape
	Batch, Tokens int
	IDs           []int32 // Batch·Tokens token ids; the graph reads them anew in every replay
	Losses        []Loss
}

// A Loss is a named 1×1 tensor that is added to the objective with a weight.
type Loss struct {
	Name   string
	Weight float32
	Value  ag.Tensor
}

// AddLoss adds weight·value to the objective, under a name for the records.
func (c *Context) AddLoss(name string, weight float32, value ag.Tensor) {
	c.Losses = append(c.Losses, Loss{name, weight, value})
}

// A Model is what training and adaptation see of a model family.
type Model interface {
	// Forward builds the logits, (Batch·Tokens)×vocabulary.
	Forward(c *Context) ag.Tensor
	// Linears returns the linear maps inside the blocks, in forward order.
	Linears() []*Linear
	// Params returns every tensor of the model under its checkpoint name, in
	// a fixed order; a tied tensor stands once.
	Params() []Param
}

// A Param is a model's tensor under its checkpoint name.
type Param struct {
	Name string
	*ag.Variable
	Shape []int // as the checkpoint has it; norms are [n] while the Variable is 1×n
}
