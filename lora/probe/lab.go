package probe

import (
	"github.com/lowrank/lowrank/ag"
)

// A Lab is what whoever trains lends a probe that measures more than the factors
// tell: passes over batches, with the present values of the factors. What is nil
// is not to be had.
type Lab struct {
	// Loss is the objective of the step's own batches before the step, and Again
	// computes it once more.
	Loss  float64
	Again func() (float64, error)
	// Forward runs the probe batch, always the same, through a graph that the maps
	// stand in, and Backward then takes the gradient of its loss: the mean over its
	// labels, plus what layers add. That, and nothing else, is left on the factors;
	// whoever lends clears it afterwards.
	Forward, Backward func() error
	// Forgetting compares the model with its base on held-out text of the base's
	// own kind.
	Forgetting func() (Forgetting, error)
	// Ray is the loss over the probe batch with the weights W0 + t·(W' − W0).
	Ray func(t float64) (float64, error)
	// Halves are the two halves of the probe batch, in the order of its rows.
	Halves [2]Half
}

// A Half of a batch.
type Half struct{ Examples, Labels int }

// labState is what a visit to the lab has brought.
type labState struct {
	again, gradient bool    // has it been there
	inside          bool    // is it there
	loss            float64 // of the step's batches after it
}

// enterLab runs the batches that the tiers need.
func (p *Probe) enterLab() error {
	if p.Lab == nil || p.due&(Tier2|Tier3) == 0 {
		return nil
	}
	var err error
	if p.Lab.Again != nil && p.remembers() {
		p.lab.loss, err = p.Lab.Again()
		p.lab.again = err == nil
	}
	if p.Lab.Backward == nil || err != nil {
		return err
	}
	if err = p.Lab.Forward(); err != nil {
		return err
	}
	for _, l := range p.layers {
		l.batch.open(l)
	}
	p.lab.inside = true
	err = p.Lab.Backward()
	p.lab.inside = false
	for _, l := range p.layers {
		l.batch.close()
	}
	p.lab.gradient = err == nil
	return err
}

func (p *Probe) remembers() bool { return p.before == p.step && p.step > 0 }

func (p *Probe) leaveLab() { p.lab = labState{} }

// onBatch is what the probe batch shows of a map. What depends on its input and
// output is computed as the gradient of the output is there: with checkpoints by
// block they are gone afterwards.
type onBatch struct {
	x, y   ag.Tensor
	bias   ag.Tensor // in y; nil: none
	output *ag.Variable
	sums   gradientSums

	dimensions dimensions
	why        error // why these are not known

	seen bool // the gradient of the output was

	grad    once[gradient]
	outputs once[outputs]
	feature once[features]
}

// open makes the pass that comes measure the gradient of the map's output while
// it is there.
func (b *onBatch) open(l *layer) {
	x, y, bias, uses := l.m.Product()
	b.x, b.y, b.bias, b.output, b.seen = nil, nil, nil, nil, false
	if x == nil || uses != 1 {
		return
	}
	b.x, b.y, b.bias = x, y, bias
	if v, ok := y.Value().(*ag.Variable); ok {
		b.output = v
		v.Watch(func(dy []float32) {
			b.seen = true
			b.sums.measure(l, dy)
			if b.why = notDue; l.p.due&Tier3 != 0 {
				b.why = b.dimensions.measure(l, dy, b.sums.total())
			}
			_, _ = l.features() // now, while what the graph has of the map is there
			_, _ = l.outputs()
		})
	}
}

func (b *onBatch) close() {
	if b.output != nil {
		b.output.Watch(nil)
	}
}

// visited returns why the probe batch shows nothing of the map.
func (l *layer) visited() error {
	_, _, _, uses := l.m.Product()
	switch {
	case !l.p.lab.gradient && !l.p.lab.inside:
		return noBatch
	case uses > 1:
		return usedAgain
	case l.batch.x == nil:
		return lookedUp
	case !l.batch.seen:
		return noOutput
	}
	return nil
}

const (
	usedAgain Undefined = "the map stands in the graph more than once"
	notDue    Undefined = "tier 3 was not asked for"
	lookedUp  Undefined = "the map's rows are looked up: it has no product"
	noOutput  Undefined = "no gradient reaches the map's output"
)
