// The notebook 04_initialisation_subspaces asks into which directions of the
// weight starts put an adapter, and whether training leaves them.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/experiments/study"
	"github.com/lowrank/lowrank/experiments/sweep"
	"github.com/lowrank/lowrank/nn"
)

//go:embed main.go
var source string

func main() { notebooks.Main("04_initialisation_subspaces", source, subspaces) }

func subspaces(ctx context.Context, nb *notebooks.Notebook) error {
	// # Does an adapter stay where it starts?
	//
	// LoRA starts from a random A. **PiSSA** (arXiv 2404.02948) starts A and B in
	// the *leading* singular directions of the weight W0, **MiLoRA** (2406.09044)
	// in the *trailing* ones; LoRA with an orthonormal A is random, but evenly so.
	// The reasons given are about directions: change what the model does most, or
	// keep it and use the rest. Does the change that training makes lie there in
	// the end?
	//
	// ΔW is the net change of the weight: where a start was taken out of the base,
	// it is s·(B·A − B0·A0), which is zero before the first step. Of its first r
	// singular vectors we measure
	//
	// - the **overlap** with the first r of W0's, and with the last r: the mean
	//   squared cosine of the principal angles, 1 where the subspaces are the same
	//   (arXiv 2106.09685, section 7.2);
	// - how far the row space of A has turned from its start: the largest
	//   **principal angle**, 90° where some direction has been left for good.
	//
	// A random subspace overlaps too: of *r* dimensions of *n*, by *r/n*. So
	// overlaps stand **relative to chance**: 1 is what random directions would have.

	// ## Design
	//
	// The base is the small decoder of `lowrank study --quick`, pretrained on prose
	// and adapted to Go source, at rank 8 on every linear map of the blocks, by
	// AdamW at one learning rate for all.

	s := study.Quick()
	methods, seeds, lr := []string{"lora", "lora-orthonormal", "pissa", "milora"}, []uint64{1, 2, 3}, 1e-2
	s.Template.Train.Steps, s.Template.Eval.Batches = 150, 8
	every := 25
	if nb.Short { // the same path in seconds; its numbers mean nothing
		seeds = seeds[:1]
		m := &s.Pretraining.Model
		m.HiddenSize, m.IntermediateSize, m.NumHiddenLayers, m.HeadDim = 32, 64, 1, 16
		s.Pretraining.Steps, s.Template.Train.Steps, s.Template.Eval.Batches, s.Template.Rank, every = 60, 20, 1, 2, 10
	}
	s.Template.Probe = experiments.Probe{Tier1: experiments.Interval(every), Tier2: experiments.Interval(every), Tier3: experiments.Interval(every)}
	c, rank := s.Template.Train, s.Template.Rank
	setting, err := experiments.OpenSetting(ctx, nb.Dir, s.Template, s.Pretraining, nb.Progress.Pretraining)
	if err != nil {
		return err
	}
	nb.Printf("base model: %d parameters; each run: %d steps of %d × %d bytes, AdamW, learning rate %g (%s), rank %d\n",
		nn.Parameters(setting.Base), c.Steps, c.Batch, c.Tokens, lr, c.Schedule, rank)
	sizes := map[string][2]int{} // out and in of each map
	for _, m := range setting.Base.Linears() {
		sizes[m.Name] = [2]int{m.Out, m.In}
	}

	// ## Runs

	var all samples
	for _, method := range methods {
		grid := &sweep.Grid{Template: s.Template, Methods: []string{method}, LRs: []float64{lr}, Seeds: seeds}
		dir := filepath.Join(nb.Dir, "runs")
		runs, err := sweep.Run(ctx, setting, grid, dir, runtime.GOMAXPROCS(0), nb.Progress)
		if err != nil {
			return err
		}
		for _, r := range runs {
			if r.Method.Name != method {
				continue
			}
			if r.Status != record.Done {
				return fmt.Errorf("%s: %s %s", r.ID, r.Status, r.Error)
			}
			rows, err := record.ReadMetrics(filepath.Join(dir, r.ID))
			if err != nil {
				return err
			}
			for _, m := range rows {
				all = append(all, sample{method, r.Seed, m})
			}
		}
	}

	// relative returns overlaps over that of random directions, r/n, of every map
	// on both sides.
	relative := func(method string, seed uint64, step int, part string) (values []float64) {
		for side, name := range []string{"_left", "_right"} {
			for _, x := range all.of(method, seed, step, "overlap_"+part+name) {
				if n := sizes[x.Layer][side]; n > 0 { // a map, not a block's mean
					values = append(values, x.Value*float64(n)/float64(rank))
				}
			}
		}
		return values
	}

	// ## At the end
	//
	// Medians over maps, sides (outputs and inputs) and seeds [first and third
	// quartile], after the last step; the angle is that of A's row space to its
	// start, the loss that on held-out Go source.

	last := c.Steps
	var lines [][]string
	for _, method := range methods {
		var loss []float64
		for _, x := range all.of(method, 0, last, "eval_adapt_loss") {
			loss = append(loss, x.Value)
		}
		var angle []float64
		for _, x := range all.of(method, 0, last, "angle_start_a") {
			if sizes[x.Layer][1] > 0 {
				angle = append(angle, 180/math.Pi*x.Value)
			}
		}
		lines = append(lines, []string{method, notebooks.Spread(relative(method, 0, last, "top")), notebooks.Spread(relative(method, 0, last, "bottom")), notebooks.Spread(angle), notebooks.Span(loss)})
	}
	nb.Table([]string{"method", "overlap with the leading r, over chance", "with the trailing r", "angle to the start (°)", "held-out loss"}, lines...)

	// ## Over steps
	//
	// Median over maps, sides and seeds; bands are the quartiles. The first step
	// shows where the start sends the change, before training has had a say.

	for _, part := range []struct{ name, title string }{{"top", "leading"}, {"bottom", "trailing"}} {
		var curves []chart.Series
		for i, method := range methods {
			line := chart.Series{Name: method, Style: i, Line: true}
			for step := 0; step <= last; step += every {
				if values := relative(method, 0, max(step, 1), part.name); len(values) > 0 {
					low, median, high := notebooks.Quartiles(values)
					line.X, line.Y = append(line.X, float64(max(step, 1))), append(line.Y, median)
					line.Low, line.High = append(line.Low, low), append(line.High, high)
				}
			}
			curves = append(curves, line)
		}
		nb.Figure(chart.Plot{Title: "Overlap of ΔW with W0's " + part.title + " directions", Width: 640, Height: 320, Legend: true, X: chart.Axis{Title: "step", Whole: true},
			Y: chart.Axis{Title: "overlap over chance"}, Series: curves, Rules: []chart.Rule{{At: 1, Text: "chance"}}}.SVG())
	}

	// ## Conclusion
	//
	// In terms of each seed's median over its maps. A difference between methods
	// counts only where it holds for every choice of seeds.

	bySeed := func(method string, step int, part string) (medians []float64) {
		for _, seed := range seeds {
			_, median, _ := notebooks.Quartiles(relative(method, seed, step, part))
			medians = append(medians, median)
		}
		return medians
	}
	say := func(a, b, part, what string) {
		x, y := bySeed(a, last, part), bySeed(b, last, part)
		verdict := "does not differ from"
		switch {
		case slices.Min(x) > slices.Max(y):
			verdict = "is above"
		case slices.Max(x) < slices.Min(y):
			verdict = "is below"
		}
		nb.Printf("At the end the overlap of %s with W0's %s directions %s that of %s: %s, %s times chance.\n", a, what, verdict, b, notebooks.Span(x), notebooks.Span(y))
	}
	say("pissa", "lora", "top", "leading")
	say("milora", "lora", "bottom", "trailing")
	for _, x := range []struct{ method, part, what string }{{"pissa", "top", "leading"}, {"milora", "bottom", "trailing"}} {
		first, end := bySeed(x.method, 1, x.part), bySeed(x.method, last, x.part)
		verdict := "stays about what it was after the first step"
		switch {
		case slices.Min(first) > slices.Max(end):
			verdict = "falls"
		case slices.Max(first) < slices.Min(end):
			verdict = "rises"
		}
		nb.Printf("While %s trains, its overlap with the %s directions %s: from %s to %s.\n", x.method, x.what, verdict, notebooks.Span(first), notebooks.Span(end))
	}

	// What this does not show. One small base, whose weights have a few dozen
	// directions, one pair of texts and one learning rate for all, which suits
	// some starts better than others. The overlap counts directions, however
	// little of ΔW lies in them. And where an update lies is not yet why a model
	// is better or worse for it.

	return nil
}

// A sample is one recorded value of one run.
type sample struct {
	method string
	seed   uint64
	record.Metric
}

type samples []sample

// of returns the values of a metric; seed 0 stands for all.
func (s samples) of(method string, seed uint64, step int, name string) (found samples) {
	for _, x := range s {
		if x.Name == name && x.method == method && x.Step == step && (seed == 0 || x.seed == seed) {
			found = append(found, x)
		}
	}
	return found
}
