package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/probe"
)

// A rule is an optimizer, that of a row of the table of methods, and the
// learning rates that it is tried at, in even ratios.
type rule struct {
	name, row string
	lrs       []float64
	update    adapter.Update
}

// gradient reports whether it is gradient descent.
func (r rule) gradient() bool { return r.row == "lora-sgd" }

// An outcome is what came of a method with a seed.
type outcome struct {
	method string
	seed   uint64
	start  probe.Top // sharpness at the start
	curves []curve   // by rule
}

func sharpness(o outcome) float64 { return o.start.Value }

type outcomes []outcome

// of returns the outcome of a method with a seed.
func (all outcomes) of(method string, seed uint64) outcome {
	return all[slices.IndexFunc(all, func(o outcome) bool { return o.method == method && o.seed == seed })]
}

// bySeed returns what f makes of a method's outcomes, in the order of the seeds.
func (all outcomes) bySeed(method string, f func(outcome) float64) (values []float64) {
	for _, o := range all {
		if o.method == method {
			values = append(values, f(o))
		}
	}
	return values
}

// medians writes the lowest and the highest of the methods' medians of f.
func (all outcomes) medians(methods []string, f func(outcome) float64) string {
	var values []float64
	for _, method := range methods {
		values = append(values, middle(all.bySeed(method, f)))
	}
	return fmt.Sprintf("%.2g to %.2g", slices.Min(values), slices.Max(values))
}

// half is the loss of half the gain of the method that gains least at its best.
func (all outcomes) half(methods []string, seed uint64, rule int, start float64) float64 {
	worst := math.Inf(-1)
	for _, method := range methods {
		worst = max(worst, all.of(method, seed).curves[rule].loss)
	}
	return (start + worst) / 2
}

// middle is the median.
func middle(values []float64) float64 {
	_, median, _ := notebooks.Quartiles(values)
	return median
}

// all teaches every method with every seed under all rules, with as many
// students at work as there are threads.
func (l *lesson) all(ctx context.Context, methods []string, seeds []uint64, rules []rule, progress *notebooks.Progress) (outcomes, error) {
	kernels.SetThreads(1)
	defer kernels.SetThreads(0)
	results := make(outcomes, len(methods)*len(seeds))
	errs := make([]error, len(results))
	next := make(chan int)
	var workers sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				o := &results[i]
				o.method, o.seed = methods[i/len(seeds)], seeds[i%len(seeds)]
				if errs[i] = l.teach(ctx, o, rules); errs[i] != nil {
					errs[i] = fmt.Errorf("%s, seed %d: %w", o.method, o.seed, errs[i])
				}
				mu.Lock()
				done++
				if errs[i] == nil {
					progress.End(nil, false, nil)
					progress.Step(fmt.Sprintf("%s, seed %d", o.method, o.seed), done, len(results), o.curves[0].loss)
				}
				mu.Unlock()
			}
		})
	}
	for i := range results {
		next <- i
	}
	close(next)
	workers.Wait()
	return results, cmp.Or(errs...)
}

// teach fills in what comes of an outcome's method with its seed.
func (l *lesson) teach(ctx context.Context, o *outcome, rules []rule) error {
	method, err := lora.Row(o.method)
	if err != nil {
		return err
	}
	s, err := l.enrol(method, o.seed)
	if err != nil {
		return err
	}
	if o.start, err = s.sharpness(); err != nil {
		return err
	}
	for _, rule := range rules {
		losses := make([]float64, len(rule.lrs))
		for i, lr := range rule.lrs {
			if losses[i], err = s.learn(rule.update, lr); err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
		}
		c := newCurve(rule.lrs, losses, l.start)
		lower := rule.lrs[c.near(c.rate/math.Sqrt(10))]
		for lr, after := range map[float64]*float64{c.rate: &c.after, lower: &c.afterLower} {
			loss, err := s.learn(rule.update, lr)
			if err != nil {
				return err
			}
			if *after = math.NaN(); math.IsInf(loss, 1) { // nothing is left to be measured
				continue
			}
			top, err := s.sharpness()
			if err != nil {
				return err
			}
			*after = lr * top.Value
		}
		o.curves = append(o.curves, c)
	}
	return nil
}
