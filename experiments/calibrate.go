package experiments

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// calibrationBatches is how many batches a calibration sees.
const calibrationBatches = 8

// A calibration is what a start is drawn from.
type calibration struct {
	Gradients lora.Gradients
	Moments   lora.Moments
}

// needs says what of it a method needs: gradients of the weights, moments of what
// enters the maps, and of the gradients of what leaves them.
// Components are how many principal ones of the inputs are enough, or 0. WarmUp says
// by which steps the batches train the weights while the gradients are taken, if they
// do.
type needs struct {
	Gradients, Inputs, Outputs bool
	Components                 int
	WarmUp                     string `json:",omitempty"`
}

func needsOf(m lora.Method, rank int) needs {
	n := needs{m.Needs(adapter.FullGradient), m.Needs(adapter.Activations), m.Needs(adapter.OutputGradients), m.Components(rank), ""}
	if w, ok := m.Initial.(adapter.Warmer); ok {
		rule, lr := w.WarmUp()
		n.WarmUp = fmt.Sprintf("%T%+v at %v", rule, rule, lr)
	}
	return n
}

func (n needs) none() bool { return n == needs{} }

// passes is how many times the batches are run.
func (n needs) passes() int {
	p := 0
	if n.Gradients {
		p++
	}
	if n.Inputs || n.Outputs {
		p++
	}
	return p
}

// calibrate gives the options what the method's start is drawn from: by batches of
// a random stream of their own, or from what an earlier run has kept. Either way
// they count.
func (t *training) calibrate(model nn.Model, method lora.Method, options *lora.Options) error {
	rank := t.Config.Rank
	for _, r := range t.Config.RankPattern {
		rank = max(rank, r)
	}
	n := needsOf(method, rank)
	if n.none() {
		return nil
	}
	t.rec.Train.CalibrationBatches = n.passes() * calibrationBatches
	path, err := t.kept(n)
	if err != nil {
		return err
	}
	c, ok := readCalibration(path)
	if !ok {
		if c, err = t.measure(model, method, n); err != nil {
			return err
		}
		if path != "" && c.bytes() <= mostKept {
			if err := record.WriteFile(path, c.encode); err != nil {
				return err
			}
		}
	}
	if n.Gradients {
		options.Gradient = c.Gradients.Of
	}
	if n.Inputs || n.Outputs {
		options.Moments = c.Moments.Of
	}
	options.Started = func(m *adapter.Map) {
		c.Gradients.Free(m)
		c.Moments.Free(m)
	}
	return nil
}

// kept returns the file of a calibration of this model on this data, or "" where
// none is to be kept.
func (t *training) kept(n needs) (string, error) {
	if t.Cache == "" {
		return "", nil
	}
	key, err := json.Marshal(struct {
		Needs         needs
		Targets       []string
		Seed          uint64
		Batch, Tokens int
		Batches       int
		SIMD          string
	}{n, t.Config.Targets.Patterns(), t.Config.Train.Seed, t.Config.Train.Batch, t.Config.Train.Tokens, calibrationBatches, kernels.Active().String()})
	return filepath.Join(t.Cache, hash([]byte(t.Setting.Fingerprint), key)), err
}

// measure runs the batches.
func (t *training) measure(model nn.Model, method lora.Method, n needs) (c calibration, err error) {
	targets := t.Config.Targets.Patterns()
	of, done := n.passes()*calibrationBatches, 0
	bytes, err := lora.CalibrationBytes(model, targets, n.Gradients, n.Inputs || n.Outputs, n.Components)
	if err != nil {
		return c, err
	}
	if n.WarmUp != "" { // the weights as they were, their updates and what they lose
		more, err := lora.CalibrationBytes(model, targets, true, false, 0)
		if err != nil {
			return c, err
		}
		bytes += 3 * more
	}
	told := func(backward bool) func(int) error {
		run := t.batch(model, backward)
		return func(i int) error {
			if t.Calibrating != nil {
				t.Calibrating(done, of, bytes)
			}
			done++
			return run(i)
		}
	}
	if n.Gradients {
		if c.Gradients, err = method.Calibrate(model, targets, calibrationBatches, told(true)); err != nil {
			return c, err
		}
	}
	switch {
	case n.Components > 0:
		c.Moments, err = lora.CalibrateComponents(model, targets, n.Components, calibrationBatches, told(false))
	case n.Inputs || n.Outputs:
		c.Moments, err = lora.CalibrateMoments(model, targets, calibrationBatches, told(n.Outputs))
	}
	return c, err
}

// batch returns what runs a model forward, and backward if it is to be, on batches
// of a random stream of their own.
func (t *training) batch(model nn.Model, backward bool) func(batch int) error {
	c := t.Config.Train
	feed := &t.Setting.feed
	var g *graph
	return func(batch int) (err error) {
		if g == nil {
			if g, err = newGraph(model, blockwise(feed.open(c.Batch, c.Tokens), t.Config.Checkpoint.Blocks), 1); err != nil {
				return err
			}
		}
		if err := feed.draw(g.batch, c.Seed, "calibration", batch); err != nil {
			return err
		}
		g.forward()
		if !backward {
			return nil
		}
		return g.backward()
	}
}
