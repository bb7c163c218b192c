package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/notebooks/mlp"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/probe"
)

const (
	inputs, outputs, samples = 16, 4, 32
	rank                     = 4
)

// newTask draws a network of width n and what it is to learn: its own outputs and a
// random linear function of the inputs.
func newTask(n int, seed uint64) *mlp.Problem {
	rng := rand.New(rand.NewPCG(seed, 5))
	normal := func(count int, std float64) []float32 {
		v := make([]float32, count)
		for i := range v {
			v[i] = float32(std * rng.NormFloat64())
		}
		return v
	}
	p := &mlp.Problem{Samples: samples, X: normal(samples*inputs, 1)} // these and the function: the same at every width
	change := normal(outputs*inputs, 1/math.Sqrt(inputs))
	p.Maps = []mlp.Map{
		{Out: n, In: inputs, W: normal(n*inputs, math.Sqrt(2.0/inputs)), Frozen: true},
		{Out: n, In: n, W: normal(n*n, math.Sqrt(2/float64(n)))},
		{Out: outputs, In: n, W: normal(outputs*n, 1/float64(n)), Frozen: true},
	}
	p.Y = p.Outputs()
	for i := range samples {
		for o := range outputs {
			for j := range inputs {
				p.Y[i*outputs+o] += change[o*inputs+j] * p.X[i*inputs+j]
			}
		}
	}
	return p
}

// start makes a run of a rule, and the learning rate of A.
func start(r rule, n, from int, lr float64, steps int, seed uint64) (*mlp.Run, float64, error) {
	a, ratio := r.rates(n, from, lr)
	method, err := r.method(ratio)
	if err != nil {
		return nil, 0, err
	}
	run, err := newTask(n, seed).Start(method, lora.Options{Rank: rank, Alpha: rank, Seed: seed}, steps)
	return run, a, err
}

// parts are what the steps of a run changed of the adapter's outputs.
type parts struct {
	delta [3]float64 // root mean square over the steps from the second
	share [3]float64 // of the last step, over that of the outputs
}

// measure takes steps by a rule at width n, with its learning rate at the width
// from.
func measure(r rule, n, from int, lr float64, steps int, seed uint64) (p parts, err error) {
	run, a, err := start(r, n, from, lr, steps, seed)
	if err != nil {
		return p, err
	}
	for step := 1; step <= steps; step++ {
		var due probe.Tiers
		if step > 1 {
			due = probe.Tier2
		}
		rows, err := run.Step(a, due)
		if err != nil {
			return p, err
		}
		for _, row := range rows {
			if row.Layer != run.Set.Maps[0].Name { // one map has no aggregate
				continue
			}
			for i := range 3 {
				switch row.Name {
				case fmt.Sprintf("d%d", i+1):
					p.delta[i] += row.Value * row.Value / float64(steps-1)
				case fmt.Sprintf("d%d_share", i+1):
					p.share[i] = row.Value
				}
			}
		}
	}
	for i, v := range p.delta {
		if !(v > 0) {
			return p, fmt.Errorf("%s, width %d: δ%d is %v: %v", r.name, n, i+1, v, run.Probe.Undefined())
		}
		p.delta[i] = math.Sqrt(v)
	}
	return p, nil
}

// measureAll measures each rule at each width, the first of which is that of the
// learning rate, with each seed.
func measureAll(ctx context.Context, rules []rule, widths []int, lr float64, steps, seeds int) ([][][]parts, error) {
	measured := make([][][]parts, len(rules))
	for i := range rules {
		measured[i] = make([][]parts, len(widths))
		for k := range widths {
			measured[i][k] = make([]parts, seeds)
		}
	}
	err := notebooks.Each(ctx, len(rules)*len(widths)*seeds, func(job int) (err error) {
		i, k, seed := job%len(rules), job/len(rules)%len(widths), job/len(rules)/len(widths)
		measured[i][k][seed], err = measure(rules[i], widths[k], widths[0], lr, steps, uint64(seed+1))
		return err
	})
	return measured, err
}

// slopesOf returns the slope of a part over the widths for each seed.
func slopesOf(widths []int, measured [][]parts, part int) (slopes []float64) {
	for seed := range measured[0] {
		var y []float64
		for k := range widths {
			y = append(y, measured[k][seed].delta[part])
		}
		slopes = append(slopes, slope(widths, y))
	}
	return slopes
}

// train returns the loss after the steps, relative to the start; one that has
// grown a hundredfold, or is no number any more, as a hundred.
func train(r rule, n, from int, lr float64, steps int, seed uint64) (float64, error) {
	const most = 100
	run, a, err := start(r, n, from, lr, steps, seed)
	if err != nil {
		return 0, err
	}
	before := run.Loss()
	for range steps {
		if _, err := run.Step(a, 0); err != nil {
			return 0, err
		}
		if !(run.Loss() < most*before) {
			return most, nil
		}
	}
	return run.Loss() / before, nil
}
