package main

import (
	"context"
	"math"
	"slices"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/probe"
)

// A course is what was measured of a run: by step, what the probe has of all
// maps together before that step and of that step.
type course struct {
	metrics map[int]map[string]float64
	losses  map[int]float64 // before the step, relative to the start
	end     float64
}

// value is a metric before or of a step; NaN where it is not defined.
func (c course) value(step int, name string) float64 {
	if v, ok := c.metrics[step][name]; ok {
		return v
	}
	return math.NaN()
}

// follows is cos(g̃, G).
func (c course) follows(step int) float64 {
	return c.value(step, "gradient_inner") / (c.value(step, "equivalent_gradient_norm") * c.value(step, "gradient_norm"))
}

// captured is the share of ‖G‖² in the tangent space.
func (c course) captured(step int) float64 {
	share := c.value(step, "captured_gradient_norm") / c.value(step, "gradient_norm")
	return share * share
}

// stepCosine is cos(step, −G): the decrease that the step promises over the norms
// of both.
func (c course) stepCosine(step int) float64 {
	return c.value(step, "predicted_decrease") / (c.value(step, "update_norm") * c.value(step, "gradient_norm"))
}

func (c course) loss(step int) float64 {
	if v, ok := c.losses[step]; ok {
		return v
	}
	return math.NaN()
}

// lastLoss is the loss at the end; NaN where the run diverged.
func lastLoss(c course) float64 { return c.end }

// run trains a method, and measures at the steps given.
func (t task) run(method lora.Method, lr float64, steps int, at []int) (course, error) {
	c := course{metrics: map[int]map[string]float64{}, losses: map[int]float64{}, end: math.NaN()}
	r, err := t.Start(method, t.opt, steps)
	if err != nil {
		return c, err
	}
	keep := func(step int, rows []probe.Row, tiers probe.Tiers) {
		if c.metrics[step] == nil {
			c.metrics[step] = map[string]float64{}
		}
		for _, row := range rows {
			if (row.Layer == "*" || len(r.Set.Maps) == 1) && tiers&(1<<tier[row.Name]) != 0 {
				c.metrics[step][row.Name] = row.Value
			}
		}
	}
	const ofStep, ofBatch = probe.Tier0 | probe.Tier1, probe.Tier2
	start := r.Loss()
	if slices.Contains(at, 1) {
		rows, err := r.Measure(ofBatch)
		if err != nil {
			return c, err
		}
		keep(1, rows, ofBatch)
	}
	for step := 1; step <= steps; step++ {
		var due probe.Tiers
		if slices.Contains(at, step) {
			due |= ofStep
			c.losses[step] = r.Loss() / start
		}
		if slices.Contains(at, step+1) { // the factors after this step are those before the next
			due |= ofBatch
		}
		rows, err := r.Step(lr, due)
		if err != nil {
			return c, err
		}
		if slices.Contains(at, step) {
			keep(step, rows, ofStep)
		}
		if slices.Contains(at, step+1) {
			keep(step+1, rows, ofBatch)
		}
		if !(r.Loss() < 100*start) {
			return c, nil
		}
	}
	c.end = r.Loss() / start
	return c, nil
}

// tier is that of each metric.
var tier = map[string]int{}

func init() {
	for _, m := range probe.Metrics() {
		tier[m.Name] = m.Tier
	}
}

// train runs a method on each task.
func train(ctx context.Context, tasks []task, method lora.Method, lr float64, steps int, at []int) ([]course, error) {
	runs := make([]course, len(tasks))
	err := notebooks.Each(ctx, len(tasks), func(i int) (err error) {
		runs[i], err = tasks[i].run(method, lr, steps, at)
		return err
	})
	return runs, err
}

// tuned is the learning rate whose median loss at the end is lowest.
func tuned(ctx context.Context, tasks []task, method lora.Method, lrs []float64, steps int) (lr float64, err error) {
	best := math.Inf(1)
	for _, candidate := range lrs {
		runs, err := train(ctx, tasks, method, candidate, steps, nil)
		if err != nil {
			return 0, err
		}
		ends := over(runs, lastLoss)
		if len(ends) < len(tasks) {
			continue // one diverged
		}
		if _, median, _ := notebooks.Quartiles(ends); median < best {
			best, lr = median, candidate
		}
	}
	return lr, nil
}
