package experiments

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
)

// A graph is a language model on batches of one shape: tokens go in, the mean
// loss of the tokens that follow comes out. It is built once; every further
// batch is a replay on the same buffers.
type graph struct {
	*data.Batch
	tape   *ag.Tape
	logits ag.Tensor
	tokens *ag.CrossEntropy // the model's own loss
	extra  []nn.Loss        // what layers add to it
	loss   ag.Tensor        // all of it: what Backward goes through
}

// newGraph builds the model for batches of rows windows, of which passes make
// one step: each counts for its share of the step's tokens, so that any split
// of a batch gives the same gradient.
func newGraph(model nn.Model, rows, tokens, passes int) (*graph, error) {
	g := &graph{Batch: data.NewBatch(rows, tokens), tape: ag.NewTape()}
	err := ag.Guard(func() {
		c := &nn.Context{Tape: g.tape, Batch: rows, Tokens: tokens, IDs: g.IDs}
		g.logits = model.Forward(c)
		g.tokens = ag.NewCrossEntropy(g.logits, g.Targets)
		g.tokens.SetDivisor(float32(rows * tokens * passes))
		terms, weights := []ag.Tensor{g.tape.Run(g.tokens)}, []float32{1}
		for _, l := range c.Losses {
			terms, weights = append(terms, l.Value), append(weights, l.Weight/float32(passes))
		}
		g.extra = c.Losses
		g.loss = g.tape.Run(ag.NewSum(weights, terms...))
	})
	return g, err
}

// forward runs the model on what the batch now holds and returns the summed
// loss of its tokens, in nats.
func (g *graph) forward() float64 {
	g.tape.Replay()
	var sum float64
	for _, l := range g.tokens.Losses() {
		sum += float64(l)
	}
	return sum
}

// backward adds to the gradients of everything trained.
func (g *graph) backward() error { return g.tape.Backward(g.loss) }

// evaluate returns the mean loss, in nats a token, over batches spread evenly
// over text.
func (g *graph) evaluate(text []byte, batches int) float64 {
	var sum float64
	for i := range batches {
		g.Spread(text, i, batches*g.Rows)
		sum += g.forward()
	}
	return sum / float64(batches*g.Rows*g.Tokens)
}
