package experiments

import (
	"slices"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora/probe"
)

// due returns the tiers of the instruments that are measured after a step.
func (c *Config) due(step int) (due probe.Tiers) {
	for tier, every := range c.Probe.intervals() {
		if every.due(step, c.Train.Steps, c.Checkpoint.Every) {
			due |= 1 << tier
		}
	}
	return due
}

// intervals are those of the tiers.
func (p Probe) intervals() [4]Interval { return [4]Interval{p.Tier0, p.Tier1, p.Tier2, p.Tier3} }

// openProbe makes the probe of a run, if anything is to be measured.
func (t *training) openProbe() error {
	if t.Config.Probe.intervals() == [4]Interval{} {
		return nil
	}
	t.probe = probe.New(t.set.Maps)
	t.probe.Ranks = t.plan.Ranks
	if t.Config.Probe.Tier2 == 0 && t.Config.Probe.Tier3 == 0 {
		return nil
	}
	if err := t.Setting.feed.draw(t.train.batch, probeSeed, probeStream, 0); err != nil {
		return err
	}
	t.probe.Lab = &probe.Lab{Again: t.again, Forward: t.probeBatch, Backward: t.probeGradient, Ray: t.ray, Halves: t.train.batch.halves()}
	if _, ok := t.Setting.feed.general(); ok {
		t.probe.Lab.Forgetting = t.forgetting
	}
	return nil
}

// again is the objective of the step's batches after it.
func (t *training) again() (float64, error) {
	loss, penalties, _, err := t.passes(func() error { return nil })
	return loss + t.train.weigh(penalties), err
}

// probeStream is the stream of batches that the probe batch is the first of. It
// is the same for every seed.
const probeStream, probeSeed = "probe", 0

// probeBatch runs the probe batch forward in the training's graph.
func (t *training) probeBatch() error {
	feed, g := &t.Setting.feed, t.train
	if err := feed.draw(g.batch, probeSeed, probeStream, 0); err != nil {
		return err
	}
	halves := g.halves()
	g.share((halves[0].Labels + halves[1].Labels) * t.Config.Train.Accumulate) // its losses are for so many passes
	return g.run()
}

// probeGradient runs it backward.
func (t *training) probeGradient() error {
	t.opt.ZeroGrad()
	return t.train.tape.Backward(t.train.alone)
}

// undefined lists what was asked of the probe and never had, a line a metric and
// reason.
func (t *training) undefined() (list []record.Undefined) {
	if t.probe == nil {
		return nil
	}
	for _, r := range t.probe.Undefined() {
		i := slices.IndexFunc(list, func(u record.Undefined) bool { return u.Metric == r.Name && u.Why == r.Why })
		if i < 0 {
			i = len(list)
			list = append(list, record.Undefined{Metric: r.Name, Why: r.Why})
		}
		if r.Layer != "" {
			list[i].Maps++
		}
	}
	return list
}

// halves counts the examples of either half of the batch, and their labels.
func (b *batch) halves() (h [2]probe.Half) {
	for row := range b.rows {
		half := &h[min(row/max(b.rows/2, 1), 1)]
		half.Examples++
		if n := len(b.labels.Values) / b.rows; n > 0 {
			half.Labels += n
			continue
		}
		n := len(b.labels.Classes) / b.rows
		for _, class := range b.labels.Classes[row*n:][:n] {
			if class >= 0 {
				half.Labels++
			}
		}
	}
	return h
}

// beforeStep lets the probe see what a step is going to change, of a gradient
// that was clipped from a norm.
func (t *training) beforeStep(due probe.Tiers, norm float64, clipped bool) {
	if t.probe == nil || due == 0 {
		return
	}
	t.probe.Dense = due&probe.Tier3 != 0 || t.step == t.Config.Train.Steps // spectra of full-rank updates cost most
	t.probe.Clipped = 1
	if clipped {
		t.probe.Clipped = t.Config.Train.Clip / norm
	}
	if t.probe.Lab != nil {
		t.probe.Lab.Loss = t.objective
	}
	t.probe.Before(t.step)
}

// observe records what the probe sees after a step, or before the first, and
// leaves no gradients.
func (t *training) observe(due probe.Tiers) error {
	if t.probe == nil || due == 0 {
		return nil
	}
	rows, err := t.probe.After(t.step, due)
	t.opt.ZeroGrad() // the probe batch's
	for _, r := range rows {
		t.rows = append(t.rows, record.Metric{Step: t.step, Layer: r.Layer, Name: r.Name, Value: r.Value})
	}
	return err
}
