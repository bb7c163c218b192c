package experiments

import (
	"context"
	"fmt"
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// A graph is a model on batches: inputs go in, the loss of their labels comes out. It
// is built once for each shape that a batch has, in the same memory; every further
// batch is a replay on the same buffers.
type graph struct {
	*batch
	*built // for the batch that ran last

	model        nn.Model
	task         nn.Task
	passes       int
	first        *ag.Tape
	all          map[*nn.Context]*built
	labelsOfStep int // of all its passes; 0: those of a pass alone
}

// A built is a graph for batches of one shape.
type built struct {
	tape    *ag.Tape
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
	b.input.Sparing, b.input.Aside = true, true
	return blockwise(b, true)
}

// newGraph builds the model on a batch as it is, of which passes make one step: each
// counts for its share of the step's labels, so that any split of a batch gives
// the same gradient.
func newGraph(model nn.Model, b *batch, passes int) (*graph, error) {
	return graphOn(ag.NewTape(), model, b, passes)
}

// graphOn builds it on a tape.
func graphOn(tape *ag.Tape, model nn.Model, b *batch, passes int) (*graph, error) {
	g := &graph{batch: b, model: model, task: model.Task(), passes: passes, first: tape, all: map[*nn.Context]*built{}}
	return g, g.build(tape)
}

// build builds the graph for the shape that the batch has.
func (g *graph) build(tape *ag.Tape) error {
	b := &built{tape: tape}
	c := g.input
	c.Tape = tape
	c.Noise.Restart() // a place of dropout drops the same in every shape
	if c.Decoder != nil {
		c.Decoder.Noise = c.Noise
	}
	g.all[c], g.built = b, b
	return ag.Guard(func() {
		b.logits = g.model.Forward(c)
		own, weight := g.own()
		terms, weights := []ag.Tensor{tape.Run(own)}, []float32{weight}
		losses := c.Losses
		if c.Decoder != nil {
			losses = append(losses, c.Decoder.Losses...)
		}
		for _, l := range losses {
			terms, weights = append(terms, l.Value), append(weights, l.Weight/float32(g.passes))
		}
		b.extra = losses
		b.loss = tape.Run(ag.NewSum(weights, terms...))
		b.alone = tape.Run(ag.NewScale(b.loss, float32(g.passes)))
	})
}

// own returns the loss of the labels, and what it counts for. That of classes
// has the step's labels as its divisor, see [graph.share]; numbers are as many
// in every pass.
func (g *graph) own() (ag.Function, float32) {
	switch {
	case g.labels.Values == nil:
		g.classes = ag.NewCrossEntropy(g.logits, g.labels.Classes)
		return g.classes, 1
	case g.task == nn.Regression:
		return ag.NewMeanSquare(g.logits, g.labels.Values), 1 / float32(g.passes)
	default:
		return ag.NewBinaryCrossEntropy(g.logits, g.labels.Values), 1 / float32(g.passes)
	}
}

// share makes each label of the passes to come count for its share of so many,
// those of a whole step. Without it they share among those of their pass.
func (g *graph) share(labels int) { g.labelsOfStep = max(labels, 1) }

// run runs the model forward on what the batch now holds.
func (g *graph) run() error {
	b, ok := g.all[g.input]
	if !ok {
		if err := g.build(g.first.Instead()); err != nil {
			return err
		}
		b = g.built
	}
	if g.built = b; b.classes != nil && g.labelsOfStep > 0 {
		b.classes.SetDivisor(float32(g.labelsOfStep))
	}
	b.tape.Replay()
	return nil
}

// forward is run, and returns the summed loss of the labels.
func (g *graph) forward() (float64, error) {
	if err := g.run(); err != nil {
		return 0, err
	}
	return g.sum(g.rows), nil
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
		if err := g.run(); err != nil {
			return nil, err
		}
		s.loss += g.sum(rows)
		s.count += g.counted(rows)
		if s.classifier {
			s.add(ag.Floats(g.logits), g.labels, g.rows, rows)
		}
	}
	return s, nil
}
