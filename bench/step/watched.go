package step

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/probe"
)

// watched are the instruments of a training, where it has any.
type watched struct {
	probe *probe.Probe
	due   func(step int) probe.Tiers
}

// Watch lets a probe of the adapters see the steps that come, in the tiers that
// are due at each: the same one from the first call on, which keeps what it has
// learned of the start. Its probe batch is the training's own. With a nil due it
// sees nothing.
func (t *Training) Watch(due func(step int) probe.Tiers) {
	t.watched.due = due
	if due == nil || t.watched.probe != nil {
		return
	}
	p := probe.New(t.Set.Maps)
	p.Ranks = t.plan.Ranks
	half := t.Shape.Batch / 2
	p.Lab = &probe.Lab{
		Again: func() (float64, error) {
			t.tape.Replay()
			return float64(ag.Floats(t.loss)[0]), nil
		},
		Forward: func() error { t.tape.Replay(); return nil },
		Backward: func() error {
			t.opt.ZeroGrad()
			return t.tape.Backward(t.loss)
		},
		Halves: [2]probe.Half{{Examples: half, Labels: half}, {Examples: t.Shape.Batch - half, Labels: t.Shape.Batch - half}},
	}
	t.watched.probe = p
}

// before lets the probe see what the step is going to change.
func (t *Training) before(norm float64, clipped bool) (due probe.Tiers) {
	w := t.watched
	if w.due == nil {
		return 0
	}
	if due = w.due(t.step); due == 0 {
		return 0
	}
	w.probe.Clipped = 1
	if clipped {
		w.probe.Clipped = Clip / norm
	}
	w.probe.Lab.Loss = float64(ag.Floats(t.loss)[0])
	w.probe.Before(t.step)
	return due
}

func (t *Training) after(due probe.Tiers) error {
	if due == 0 {
		return nil
	}
	_, err := t.watched.probe.After(t.step, due)
	return err
}
