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

// Calibrate returns the mean gradient of the loss for the weight of each
// target over so many batches. The function loss runs batch i, from 0,
// forward and backward; it must build its graph in the first call, not before,
// since the targets, and they alone, are trained while Calibrate runs. The
// model must have no adapters, and is left as it was.
func Calibrate(model nn.Model, targets Targets, batches int, loss func(batch int) error) (Gradients, error) {
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
	for _, p := range model.Params() {
		trained := p.RequiresGrad()
		p.SetRequiresGrad(false)
		defer p.SetRequiresGrad(trained)
	}
	for _, l := range selected {
		l.W.SetRequiresGrad(true)
		l.W.ZeroGrad()
		defer l.W.ZeroGrad()
	}
	for i := range batches {
		if err := loss(i); err != nil { // gradients add up
			return nil, fmt.Errorf("lora: calibration batch %d: %w", i, err)
		}
	}
	g := Gradients{}
	for _, l := range selected {
		sum := l.W.GradFloats()
		if sum == nil {
			return nil, fmt.Errorf("lora: calibration left no gradient on %s", l.Name)
		}
		mean := make([]float32, len(sum))
		for i, x := range sum {
			mean[i] = x / float32(batches)
		}
		g[l.Name] = mean
	}
	return g, nil
}
