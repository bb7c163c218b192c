package experiments

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/lowrank/lowrank/ag"
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

// times is how many times the batches are run.
func (n needs) times() int {
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
// they count. With blocks computed again, where the user is short of memory, gradients
// come block by block. The function that it returns ends the calibration, once the start
// is made.
func (t *training) calibrate(model nn.Model, method lora.Method, options *lora.Options) (end func() error, err error) {
	end = func() error { return nil }
	rank := t.Config.Rank
	for _, r := range t.Config.RankPattern {
		rank = max(rank, r)
	}
	n := needsOf(method, rank)
	if n.none() {
		return end, nil
	}
	t.rec.Train.CalibrationBatches = n.times() * calibrationBatches
	adapted, err := options.Select(model.Linears())
	if err != nil {
		return nil, err
	}
	p := &passes{training: t, model: model, method: method, of: n.times() * calibrationBatches}
	for _, l := range adapted {
		p.targets = append(p.targets, l.Name)
	}
	streamed := n.Gradients && n.WarmUp == "" && t.Config.Checkpoint.Blocks && !slices.ContainsFunc(adapted, func(l *nn.Linear) bool {
		return l.Kind == nn.Table || l.Tied != nil
	})
	n.Gradients = n.Gradients && !streamed
	c, err := p.kept(n)
	if err != nil {
		return nil, err
	}
	options.Gradient, options.Moments = c.Gradients.Of, c.Moments.Of
	options.Started = func(m *adapter.Map) {
		c.Gradients.Free(m)
		c.Moments.Free(m)
	}
	if streamed {
		s, err := p.stream()
		if err != nil {
			return nil, err
		}
		options.Gradient, end = s.Of, s.Close
		block := -1
		options.Started = func(m *adapter.Map) {
			s.Free(m)
			c.Moments.Free(m)
			if m.Layer != block { // what the starts of a block have left goes before more comes
				block = m.Layer
				runtime.GC()
			}
		}
	}
	return end, nil
}

// passes are those of a calibration through a model without adapters.
type passes struct {
	*training
	model    nn.Model
	method   lora.Method
	targets  lora.Targets
	done, of int // batches
}

// kept returns what the needs are, from the file of an earlier run if there is one,
// and else measured, and kept in a file if it is not too large.
func (p *passes) kept(n needs) (calibration, error) {
	path, err := p.file(n)
	if err != nil || n.none() {
		return calibration{}, err
	}
	c, ok := readCalibration(path)
	if ok {
		return c, nil
	}
	if c, err = p.measure(n); err == nil && path != "" && c.bytes() <= mostKept {
		err = record.WriteFile(path, c.encode)
	}
	return c, err
}

// file returns the file of a calibration of this model on this data, or "" where
// none is to be kept.
func (p *passes) file(n needs) (string, error) {
	if p.Cache == "" {
		return "", nil
	}
	c := p.Config.Train
	key, err := json.Marshal(struct {
		Needs         needs
		Targets       []string
		Seed          uint64
		Batch, Tokens int
		Batches       int
		SIMD          string
	}{n, p.targets, c.Seed, c.Batch, c.Tokens, calibrationBatches, kernels.Active().String()})
	return filepath.Join(p.Cache, hash([]byte(p.Setting.Fingerprint), key)), err
}

// measure runs the batches.
func (p *passes) measure(n needs) (c calibration, err error) {
	bytes, err := lora.CalibrationBytes(p.model, p.targets, n.Gradients, n.Inputs || n.Outputs, n.Components)
	if err != nil {
		return c, err
	}
	if n.WarmUp != "" { // the weights as they were, their updates and what they lose
		more, err := lora.CalibrationBytes(p.model, p.targets, true, false, 0)
		if err != nil {
			return c, err
		}
		bytes += 3 * more
	}
	if n.Gradients {
		if c.Gradients, err = p.method.Calibrate(p.model, p.targets, calibrationBatches, p.told(bytes, p.batch(ag.NewTape(), true))); err != nil {
			return c, err
		}
	}
	switch {
	case n.Components > 0:
		c.Moments, err = lora.CalibrateComponents(p.model, p.targets, n.Components, calibrationBatches, p.told(bytes, p.batch(ag.NewTape(), false)))
	case n.Inputs || n.Outputs:
		c.Moments, err = lora.CalibrateMoments(p.model, p.targets, calibrationBatches, p.told(bytes, p.batch(ag.NewTape(), n.Outputs)))
	}
	return c, err
}

// stream runs the batches of a stream of gradients, each in a graph of its own; what
// blocks compute again has one place for all.
func (p *passes) stream() (*lora.Stream, error) {
	bytes, err := lora.StreamBytes(p.model, p.targets)
	if err != nil {
		return nil, err
	}
	first := ag.NewTape()
	return lora.OpenStream(p.model, p.targets, calibrationBatches, p.told(bytes, func(i int) error { return p.batch(first.Beside(), true)(i) }))
}

// told returns what tells of a batch, and of the memory that the calibration takes,
// before it runs it.
func (p *passes) told(bytes int64, run func(batch int) error) func(batch int) error {
	return func(i int) error {
		if p.Calibrating != nil {
			p.Calibrating(p.done, p.of, bytes)
		}
		p.done++
		return run(i)
	}
}

// batch returns what runs the model forward, and backward if it is to be, on batches
// of a random stream of their own, in one graph whose first is on the tape.
func (p *passes) batch(tape *ag.Tape, backward bool) func(batch int) error {
	c := p.Config.Train
	feed := &p.Setting.feed
	b := blockwise(feed.open(c.Batch, c.Tokens), p.Config.Checkpoint.Blocks)
	var g *graph
	return func(batch int) (err error) {
		if err := feed.draw(b, c.Seed, "calibration", batch); err != nil {
			return err
		}
		if g == nil {
			g, err = graphOn(tape, p.model, b, 1)
		} else {
			err = g.run()
		}
		if err != nil {
			return err
		}
		if !backward {
			return nil
		}
		return g.backward()
	}
}
