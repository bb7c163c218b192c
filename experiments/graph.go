package experiments

import (
	"context"
	"fmt"
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// A graph is a model on batches of one shape: inputs go in, the loss of their
// labels comes out. It is built once; every further batch is a replay on the
// same buffers.
type graph struct {
	*batch
	tape    *ag.Tape
	task    nn.Task
	logits  ag.Tensor
	classes *ag.CrossEntropy // the model's own loss, of labels that are classes; else nil
	extra   []nn.Loss        // what layers add to it
	loss    ag.Tensor        // all of it: what Backward goes through
	alone   ag.Tensor        // the same of a batch that is a whole step
}

// blockwise makes a graph on the batch keep of each block of the model its output
// alone, if that is wanted; without gradients it costs nothing.
func blockwise(b *batch, wanted bool) *batch {
	b.input.Checkpoint = wanted
	return b
}

// forwardOnly makes it a batch of a graph that has no gradients and of which the
// outputs alone are read.
func forwardOnly(b *batch) *batch {
	b.input.Sparing = true
	return blockwise(b, true)
}

// newGraph builds the model on a batch, of which passes make one step: each
// counts for its share of the step's labels, so that any split of a batch gives
// the same gradient.
func newGraph(model nn.Model, b *batch, passes int) (*graph, error) {
	return graphOn(ag.NewTape(), model, b, passes)
}

// graphOn builds it on a tape.
func graphOn(tape *ag.Tape, model nn.Model, b *batch, passes int) (*graph, error) {
	g := &graph{batch: b, tape: tape, task: model.Task()}
	c := b.input
	c.Tape = g.tape
	if c.Decoder != nil {
		c.Decoder.Noise = c.Noise
	}
	err := ag.Guard(func() {
		g.logits = model.Forward(c)
		own, weight := g.own(passes)
		terms, weights := []ag.Tensor{g.tape.Run(own)}, []float32{weight}
		losses := c.Losses
		if c.Decoder != nil {
			losses = append(losses, c.Decoder.Losses...)
		}
		for _, l := range losses {
			terms, weights = append(terms, l.Value), append(weights, l.Weight/float32(passes))
		}
		g.extra = losses
		g.loss = g.tape.Run(ag.NewSum(weights, terms...))
		g.alone = g.tape.Run(ag.NewScale(g.loss, float32(passes)))
	})
	return g, err
}

// own returns the loss of the labels, and what it counts for. That of classes
// has the step's labels as its divisor, see [graph.share]; numbers are as many
// in every pass.
func (g *graph) own(passes int) (ag.Function, float32) {
	switch {
	case g.labels.Values == nil:
		g.classes = ag.NewCrossEntropy(g.logits, g.labels.Classes)
		return g.classes, 1
	case g.task == nn.Regression:
		return ag.NewMeanSquare(g.logits, g.labels.Values), 1 / float32(passes)
	default:
		return ag.NewBinaryCrossEntropy(g.logits, g.labels.Values), 1 / float32(passes)
	}
}

// share makes each label of the passes to come count for its share of so many,
// those of a whole step. Without it they share among those of their pass.
func (g *graph) share(labels int) {
	if g.classes != nil {
		g.classes.SetDivisor(float32(max(labels, 1)))
	}
}

// forward runs the model on what the batch now holds and returns the summed
// loss of its labels.
func (g *graph) forward() float64 {
	g.tape.Replay()
	return g.sum(g.rows)
}

// sum returns the loss of the first rows of the batch, as of the last forward.
func (g *graph) sum(rows int) (sum float64) {
	if g.classes != nil {
		for _, l := range g.classes.Losses() { // 0 of a row that is blank
			sum += float64(l)
		}
		return sum
	}
	z, n := ag.Floats(g.logits), len(g.labels.Values)/g.rows*rows
	for i, t := range g.labels.Values[:n] {
		sum += lossOf(g.task, float64(z[i]), float64(t))
	}
	return sum
}

// counted returns how many labels of the first rows the loss counts.
func (g *graph) counted(rows int) int {
	if g.classes != nil {
		return g.classes.Count()
	}
	return len(g.labels.Values) / g.rows * rows
}

// lossOf is the loss of one number, as ag has it of all together.
func lossOf(task nn.Task, z, t float64) float64 {
	if task == nn.Regression {
		return (z - t) * (z - t)
	}
	return max(z, 0) - t*z + math.Log1p(math.Exp(-math.Abs(z)))
}

// weigh sums penalties as the loss does.
func (g *graph) weigh(penalties []float64) (sum float64) {
	for i, l := range g.extra {
		sum += float64(l.Weight) * penalties[i]
	}
	return sum
}

// backward adds to the gradients of everything trained.
func (g *graph) backward() error { return g.tape.Backward(g.loss) }

// evaluate takes an exam, of so many batches at most. When ctx is done in the
// middle, it returns ctx.Err().
func (g *graph) evaluate(ctx context.Context, e exam, most int) (*score, error) {
	s := &score{task: g.task, classifier: g.classes == nil || len(g.labels.Classes) == g.rows}
	batches := e.batches(g.rows, most)
	for i := range batches {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := e.fill(g.batch, i, batches)
		if err != nil {
			return nil, fmt.Errorf("held-out batch %d: %w", i+1, err)
		}
		g.tape.Replay()
		s.loss += g.sum(rows)
		s.count += g.counted(rows)
		if s.classifier {
			s.add(ag.Floats(g.logits), g.labels, g.rows, rows)
		}
	}
	return s, nil
}
