// Package overhead compares the training steps of update rules with those of
// AdamW, on one shape of a model in one process: the two take their steps in turn.
// What counts is how much longer the update takes than AdamW's, over the time of
// AdamW's whole step, all medians: forward and backward are the same work, on
// which a busy machine hides a percent. The median of the ratios of neighbouring
// whole steps is told beside it.
package overhead

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/kernels"
)

// Options choose what is compared.
type Options struct {
	Shape   step.Shape
	Methods []string // nil: those of [Methods]
	Threads int
	Rounds  int // in which both sides take a step; 0: 15
}

// plain is the row that others are compared with.
const plain = "lora"

// targets are how many times the step of AdamW one may take.
var targets = []struct {
	method string
	most   float64 // 0: there is no target
}{
	{"lora-plus", 1.01}, {"lora-fa", 1.01}, {"lora-lion", 1.01}, {"scaled-gd", 1.02}, {"scaled-adamw", 1.02},
	{"lora-pro", 1.05}, {"lora-pro-sgd", 1.05}, {"lora-pro-factored", 1.05}, {"lora-rite", 1.05},
	{"altlora", 0}, {"lora-muon", 0}, {"loft", 0}, {"delta-lora", 0},
}

// Methods returns the rows that are compared unless others are asked for.
func Methods() []string {
	var all []string
	for _, t := range targets {
		all = append(all, t.method)
	}
	return all
}

const seed = 1

// Run compares and returns everything; show, if not nil, is given every row as
// it is ready, the first after a call of begin.
func Run(o Options, begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
	if o.Methods == nil {
		o.Methods = Methods()
	}
	if o.Rounds == 0 {
		o.Rounds = 15
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(o.Threads))
	rep := &compare.Report{CPU: kernels.CPU(), Go: runtime.Version()}
	s := o.Shape
	group := compare.Group{
		Name: s.Name,
		Title: fmt.Sprintf("Training steps of a model of %d layers of %d features on %d×%d tokens, rank %d, beside those of %s by AdamW",
			s.Layers, s.Hidden, s.Batch, s.Tokens, step.Rank, plain),
		Target: "the step with the rule's update ≤ 1.01 for LoRA+, LoRA-FA and Lion, ≤ 1.02 preconditioned, ≤ 1.05 for LoRA-Pro and LoRA-RITE",
	}
	if begin != nil {
		begin(rep, group)
	}
	adamw, err := step.New(s, plain, seed)
	if err != nil {
		return nil, err
	}
	for _, method := range o.Methods {
		row, err := o.row(adamw, method)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", method, err)
		}
		row.Group = group.Name
		rep.Rows = append(rep.Rows, row)
		if show != nil {
			show(row)
		}
	}
	return rep, nil
}

// row compares one method.
func (o Options) row(adamw *step.Training, method string) (*compare.Row, error) {
	rule, err := step.New(o.Shape, method, seed)
	if err != nil {
		return nil, err
	}
	sides := [2]*side{{name: "AdamW", training: adamw}, {name: method, training: rule}}
	for _, s := range sides {
		for range 2 { // what is allocated and packed once is no part of a step
			if err := s.step(); err != nil {
				return nil, err
			}
		}
		s.whole, s.update = nil, nil
	}
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the largest step fills a heap of its own
	for n := range o.Rounds {
		for k := range sides { // ABBA: what the machine does meanwhile is shared
			if err := sides[(k+n)%2].step(); err != nil {
				return nil, err
			}
		}
	}
	row := &compare.Row{Name: method, Threads: o.Threads, Level: kernels.Active().String(), Unit: "ms/step", Figures: map[string]float64{}}
	for _, s := range sides {
		row.Rates = append(row.Rates, s.rate())
		row.Figures["update "+s.name] = median(s.update)
	}
	ratios := make([]float64, o.Rounds)
	for i := range ratios {
		ratios[i] = sides[1].whole[i] / sides[0].whole[i]
	}
	extra := median(sides[1].update) - median(sides[0].update)
	got := 1 + extra/median(sides[0].whole)
	row.Figures["whole steps"] = median(ratios)
	for _, t := range targets {
		if t.method == method && t.most > 0 {
			row.Checks = []compare.Check{{What: "× AdamW", Got: got, Want: t.most, AtMost: true}}
		}
	}
	row.Judge()
	row.Note = fmt.Sprintf("the update %.2f ms, AdamW's %.2f: %.3f× its step; whole steps %.2f×, quartiles %.2f to %.2f",
		1e3*median(sides[1].update), 1e3*median(sides[0].update), got, median(ratios), quantile(ratios, 0.25), quantile(ratios, 0.75))
	return row, nil
}

// A side takes steps of one training.
type side struct {
	name          string
	training      *step.Training
	whole, update []float64 // seconds
}

func (s *side) step() error {
	began := time.Now()
	if _, err := s.training.Gradients(); err != nil {
		return err
	}
	gradients := time.Now()
	if err := s.training.Update(); err != nil {
		return err
	}
	s.whole = append(s.whole, time.Since(began).Seconds())
	s.update = append(s.update, time.Since(gradients).Seconds())
	return nil
}

func (s *side) rate() compare.Rate {
	m := median(s.whole)
	return compare.Rate{Side: s.name, Seconds: m, Rate: 1e3 * m, Spread: (quantile(s.whole, 0.75) - quantile(s.whole, 0.25)) / m}
}

func median(x []float64) float64 { return quantile(x, 0.5) }

// quantile interpolates between the ordered values.
func quantile(x []float64, at float64) float64 {
	sorted := slices.Sorted(slices.Values(x))
	p := at * float64(len(sorted)-1)
	i := int(p)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (p-float64(i))*(sorted[j]-sorted[i])
}
