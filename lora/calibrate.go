package lora

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// Gradients are gradients of full weights, out×in, by the name of the module.
type Gradients map[string][]float32

// Of returns the gradient of a map's weight, or nil.
func (g Gradients) Of(m *adapter.Map) []float32 { return g[m.Name] }

// Free lets go of the gradient of a map, for [Options.Started].
func (g Gradients) Free(m *adapter.Map) { delete(g, m.Name) }

// Moments are what entered the maps, and the gradients of what left them, by
// the name of the module.
type Moments map[string]*adapter.Moments

// Of returns the moments of a map, or nil.
func (x Moments) Of(m *adapter.Map) *adapter.Moments { return x[m.Name] }

// Free lets go of the moments of a map, for [Options.Started]; maps that share
// them keep theirs.
func (x Moments) Free(m *adapter.Map) { delete(x, m.Name) }

// Calibrate returns the mean gradient of the loss for the weight of each
// target over so many batches. The function loss runs batch i, from 0,
// forward and backward; it must build its graph in the first call, not before,
// since the targets, and they alone, are trained while Calibrate runs. The
// model must have no adapters, and is left as it was.
//
// All targets are held at once, out·in·4 bytes each: the sums that the backward
// passes add to become the means. [Options.Started] may free them one by one.
func Calibrate(model nn.Model, targets Targets, batches int, loss func(batch int) error) (Gradients, error) {
	c, err := calibrate(model, targets, batches)
	if err != nil {
		return nil, err
	}
	defer c.end()
	for _, l := range c.targets {
		l.Repack() // a trained weight is not read from there
		l.W.SetRequiresGrad(true)
		l.W.TakeGrad()
		c.undo = append(c.undo, func() { l.W.TakeGrad() })
	}
	if err := c.run(loss, func() error { return nil }); err != nil { // gradients add up
		return nil, err
	}
	g := Gradients{}
	for _, l := range c.targets {
		mean := l.W.TakeGrad()
		if mean == nil {
			return nil, fmt.Errorf("lora: calibration left no gradient on %s", l.Name)
		}
		for i := range mean {
			mean[i] /= float32(batches)
		}
		g[l.Name] = mean
	}
	return g, nil
}

// CalibrateMoments returns the moments of what enters each target over so many
// batches and, where run goes backward too, those of the gradients of its
// outputs. The function run runs batch i, from 0; it must build its graph in the
// first call, not before. The model must have no adapters, and is left as it
// was. Tables, whose rows are one-hot, have no moments.
//
// All targets are held at once, in²·16 bytes for those with an input of their
// own; maps that read one tensor, as a query, a key and a value do, share.
func CalibrateMoments(model nn.Model, targets Targets, batches int, run func(batch int) error) (Moments, error) {
	return moments(model, targets, 0, batches, run)
}

// CalibrateComponents is [CalibrateMoments] of at least k principal components
// alone, a small part of the time and memory, for maps of so many inputs that k are
// few; of the others it returns all moments. Their number is [Method.Components].
func CalibrateComponents(model nn.Model, targets Targets, k, batches int, run func(batch int) error) (Moments, error) {
	if k < 1 {
		return nil, fmt.Errorf("lora: %d principal components: must be at least 1", k)
	}
	return moments(model, targets, k, batches, run)
}

func moments(model nn.Model, targets Targets, k, batches int, run func(batch int) error) (Moments, error) {
	c, err := calibrate(model, targets, batches)
	if err != nil {
		return nil, err
	}
	defer c.end()
	var all []*watch
	for _, l := range c.targets {
		if l.Kind == nn.Table {
			continue
		}
		w := newWatch(l, k)
		l.Adapter = w
		defer func() { l.Adapter = nil }()
		all = append(all, w)
	}
	if err := c.run(run, func() error { return observe(all) }); err != nil {
		return nil, err
	}
	moments := Moments{}
	for _, w := range all {
		if moments[w.Name], err = w.moments(batches); err != nil {
			return nil, err
		}
	}
	return moments, nil
}

// CalibrationBytes returns about how much memory the gradients of the targets and
// the moments of what enters them, or so many components of it if that is not 0, take
// while they are collected, beside what the passes through the model take. A start
// that changes the base then needs no more, but for what it does to one map, where
// [Options.Started] frees the gradients.
func CalibrationBytes(model nn.Model, targets Targets, gradients, moments bool, components int) (int64, error) {
	selected, err := targets.Select(model.Linears())
	if err != nil {
		return 0, err
	}
	var n, square int64
	for _, l := range selected {
		in := int64(l.In)
		if gradients {
			n += 4 * int64(l.Out) * in
		}
		switch { // or less, for maps that share an input
		case !moments || l.Kind == nn.Table:
		case few(components, l.In):
			n += 4 * in * int64(components+spare)
		default:
			n += 16 * in * in
			square = max(square, 4*in*in) // of a batch, one map at a time
		}
	}
	return n + square, nil
}

// A calibration is a model that is frozen for a while, but for what is measured.
type calibration struct {
	targets []*nn.Linear
	batches int
	undo    []func()
}

func calibrate(model nn.Model, targets Targets, batches int) (*calibration, error) {
	if batches < 1 {
		return nil, fmt.Errorf("lora: %d calibration batches: must be at least 1", batches)
	}
	selected, err := targets.Select(model.Linears())
	if err != nil {
		return nil, err
	}
	for _, l := range selected {
		if l.Adapter != nil {
			return nil, fmt.Errorf("lora: %s has an adapter: calibrate before it is injected", l.Name)
		}
	}
	c := &calibration{targets: selected, batches: batches}
	for _, p := range model.Params() {
		trained := p.RequiresGrad()
		p.SetRequiresGrad(false)
		c.undo = append(c.undo, func() { p.SetRequiresGrad(trained) })
	}
	return c, nil
}

func (c *calibration) end() {
	for i := len(c.undo) - 1; i >= 0; i-- {
		c.undo[i]()
	}
}

// run runs the batches, and after each of them then.
func (c *calibration) run(batch func(int) error, then func() error) error {
	for i := range c.batches {
		err := batch(i)
		if err == nil {
			err = then()
		}
		if err != nil {
			return fmt.Errorf("lora: calibration batch %d: %w", i, err)
		}
	}
	return nil
}
