// The notebook 07_full_vs_low_rank asks how far the change that full fine-tuning
// makes is from one of low rank.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/analyze"
	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/experiments/study"
	"github.com/lowrank/lowrank/experiments/sweep"
	"github.com/lowrank/lowrank/nn"
)

//go:embed main.go
var source string

func main() { notebooks.Main("07_full_vs_low_rank", source, fullAndLowRank) }

func fullAndLowRank(ctx context.Context, nb *notebooks.Notebook) error {
	// # Is the change of full fine-tuning one of low rank?
	//
	// LoRA (arXiv 2106.09685) supposes that what a model has to change in order to
	// learn a task is of low rank. Full fine-tuning is free to choose; so what does
	// it choose, and what does LoRA lose by being held to rank *r*?
	//
	// With σ the singular values of ΔW = W' − W0 we measure the **effective rank**
	// exp(−Σ p·ln p), p = σ/Σσ, how many directions hold **95 % of the energy** Σσ²,
	// and what part of the energy the first *r* hold: the most that any change of
	// rank *r* could keep of it.
	//
	// DoRA's authors (2402.09353, section 3.2) split a change into how much the
	// rows of a weight grow and how much they turn, and report that the two go
	// together under LoRA and against each other under full fine-tuning.

	// ## Design
	//
	// The base is the small decoder of `lowrank study --quick`, pretrained on prose
	// and adapted to Go source: LoRA on every linear map of the blocks at several
	// ranks, with s = α/r = 1, and full fine-tuning of the same maps. Each has the
	// best of three learning rates, chosen by the median held-out loss.

	s := study.Quick()
	ranks, seeds := []int{1, 4, 16, 32}, []uint64{1, 2, 3}
	lrs := map[string][]float64{"lora": {3.16e-3, 1e-2, 3.16e-2}, "full": {1e-3, 3.16e-3, 1e-2}}
	s.Template.Train.Steps, s.Template.Eval.Batches, s.Template.Probe = 100, 8, experiments.Probe{}
	if nb.Short { // the same path in seconds; its numbers mean nothing
		ranks, seeds = []int{1, 8}, seeds[:1]
		lrs = map[string][]float64{"lora": {1e-2}, "full": {3.16e-3}}
		m := &s.Pretraining.Model
		m.HiddenSize, m.IntermediateSize, m.NumHiddenLayers, m.HeadDim = 32, 64, 1, 16
		s.Pretraining.Steps, s.Template.Train.Steps, s.Template.Eval.Batches = 60, 30, 1
	}
	c := s.Template.Train
	setting, err := experiments.OpenSetting(ctx, nb.Dir, s.Template, s.Pretraining, nb.Progress.Pretraining)
	if err != nil {
		return err
	}
	nb.Printf("base model: %d parameters; each run: %d steps of %d × %d bytes, AdamW, %s schedule, no weight decay\n",
		nn.Parameters(setting.Base), c.Steps, c.Batch, c.Tokens, c.Schedule)

	// ## Runs

	var groups []*group
	train := func(name, method string, rank int) error {
		t := *s.Template
		t.Rank, t.Alpha = rank, float64(rank)
		grid := &sweep.Grid{Template: &t, Methods: []string{method}, LRs: lrs[method], Seeds: seeds}
		dir := filepath.Join(nb.Dir, "runs", strings.ReplaceAll(name, " ", "_"))
		runs, err := sweep.Run(ctx, setting, grid, dir, runtime.GOMAXPROCS(0), nb.Progress)
		if err != nil {
			return err
		}
		g, err := best(ctx, setting.Base, name, dir, runs)
		groups = append(groups, g)
		return err
	}
	for _, rank := range ranks {
		if err := train(fmt.Sprintf("lora r=%d", rank), "lora", rank); err != nil {
			return err
		}
	}
	// Full fine-tuning has no rank: here it says how many singular values are recorded.
	if err := train("full", "full", ranks[len(ranks)-1]); err != nil {
		return err
	}
	full, highest := groups[len(groups)-1], groups[len(groups)-2]

	// ## What they come to
	//
	// Gain and forgetting are the fall of the held-out loss on the new text and
	// the rise of that on the base's own, in nats a byte: median over the seeds
	// (lowest – highest). The others are medians over maps and seeds [first and
	// third quartile].

	var lines [][]string
	for _, g := range groups {
		lines = append(lines, []string{g.name, chart.Rate(g.lr), notebooks.Span(g.gain), notebooks.Span(g.forgetting), notebooks.Spread(g.values["effective_rank"]),
			notebooks.Spread(g.values["energy_rank_95"]), notebooks.Spread(g.values["relative_norm"])})
	}
	nb.Table([]string{"method", "learning rate", "gain", "forgetting", "effective rank", "95 % of the energy", "‖ΔW‖/‖W0‖"}, lines...)

	// ## What a rank would keep of it
	//
	// The part of ‖ΔW‖² that lies in the first *r* directions, median over maps and
	// seeds with quartiles as bands. (All directions of full fine-tuning's change
	// count in the whole.)

	var curves []chart.Series
	for i, g := range []*group{highest, full} {
		line := chart.Series{Name: g.name, Style: i, Line: true, Mark: true}
		for _, r := range []int{1, 2, 4, 8, 16, 32} {
			if kept := g.kept(r); len(kept) > 0 {
				low, median, high := notebooks.Quartiles(kept)
				line.X, line.Y = append(line.X, float64(r)), append(line.Y, median)
				line.Low, line.High = append(line.Low, low), append(line.High, high)
			}
		}
		curves = append(curves, line)
	}
	nb.Figure(chart.Plot{Title: "Energy in the first r directions of ΔW", Width: 640, Height: 320, Legend: true, X: chart.Axis{Title: "r", Log: true},
		Y: chart.Axis{Title: "part of ‖ΔW‖²", Max: 1}, Series: curves}.SVG())

	// ## Growing and turning
	//
	// A point is a map of a run: by how much its rows turned, and by how much they
	// changed their length, in the mean over rows.

	curves = nil
	for i, g := range []*group{highest, full} {
		curves = append(curves, chart.Series{Name: g.name, Style: i, Mark: true, Small: true, X: g.values["direction_change"], Y: g.values["magnitude_change"]})
	}
	nb.Figure(chart.Plot{Title: "Change of magnitude against change of direction", Width: 640, Height: 320, Legend: true,
		X: chart.Axis{Title: "1 − cos(w', w), mean over rows", Log: true}, Y: chart.Axis{Title: "|‖w'‖ − ‖w‖|, mean over rows", Log: true}, Series: curves}.SVG())

	// ## Conclusion
	//
	// Ranges are over seeds; a difference counts where they do not touch.

	verdict := func(what string, a, b *group, x, y []float64) {
		word := "does not differ between"
		switch {
		case slices.Min(x) > slices.Max(y):
			word = "is higher with"
		case slices.Max(x) < slices.Min(y):
			word = "is lower with"
		}
		if word == "does not differ between" {
			nb.Printf("The %s %s %s and %s: %s, %s.\n", what, word, a.name, b.name, notebooks.Span(x), notebooks.Span(y))
			return
		}
		nb.Printf("The %s %s %s than with %s: %s, %s.\n", what, word, a.name, b.name, notebooks.Span(x), notebooks.Span(y))
	}
	verdict("effective rank of ΔW", full, highest, full.bySeed["effective_rank"], highest.bySeed["effective_rank"])
	verdict("gain", full, highest, full.gain, highest.gain)
	verdict("gain", highest, groups[0], highest.gain, groups[0].gain)
	verdict("forgetting", full, highest, full.forgetting, highest.forgetting)
	for _, r := range ranks {
		if kept := full.kept(r); len(kept) > 0 {
			nb.Printf("Of full fine-tuning's ΔW rank %d could keep %s of the energy.\n", r, notebooks.Spread(kept))
		}
	}
	for _, g := range []*group{highest, full} {
		nb.Printf("Over the maps of %s, changes of magnitude and of direction have a correlation of %.2f.\n", g.name, stat.Correlation(g.values["direction_change"], g.values["magnitude_change"], nil))
	}

	// What this does not show. Energy says where ΔW is large, not where it matters
	// to the loss. Weights of 64 rows have at most 64 directions, and a base that
	// was trained for a minute has much to learn: a large model on a narrow task
	// may need fewer of its thousands. The paper's correlation is over checkpoints
	// and layers of one kind of map; here it is over all maps at the end, which
	// differ in size too.

	return nil
}

// A group is the runs of one method at its best learning rate.
type group struct {
	name             string
	lr               float64
	gain, forgetting []float64            // by seed
	values           map[string][]float64 // of all maps and seeds, by metric
	bySeed           map[string][]float64 // median over the maps of each seed
	spectra          [][]float64          // of all maps and seeds
}

// best measures the runs of the learning rate with the lowest median loss.
func best(ctx context.Context, base nn.Model, name, dir string, runs []*record.Run) (*group, error) {
	byRate := map[float64][]*record.Run{}
	for _, r := range runs {
		if r.Status == record.Done {
			byRate[r.LR] = append(byRate[r.LR], r)
		}
	}
	g := &group{name: name, values: map[string][]float64{}, bySeed: map[string][]float64{}}
	least := math.Inf(1)
	for lr, at := range byRate {
		var losses []float64
		for _, r := range at {
			losses = append(losses, r.Eval["adapt_after"])
		}
		if _, m, _ := notebooks.Quartiles(losses); m < least {
			g.lr, least = lr, m
		}
	}
	if len(byRate[g.lr]) == 0 {
		return nil, fmt.Errorf("%s: no run was done", name)
	}
	for _, r := range byRate[g.lr] {
		g.gain = append(g.gain, r.Eval["adapt_before"]-r.Eval["adapt_after"])
		g.forgetting = append(g.forgetting, r.Eval["base_after"]-r.Eval["base_before"])
		a, err := analyze.Read(filepath.Join(dir, r.ID, "adapter"), base)
		if err != nil {
			return nil, err
		}
		report, err := analyze.Measure(ctx, []*analyze.Adapter{a}, analyze.Options{Base: true})
		if err != nil {
			return nil, err
		}
		seed, spectra := map[string][]float64{}, map[string][]float64{}
		for _, v := range report.Values {
			seed[v.Metric] = append(seed[v.Metric], float64(v.Value))
			if i, ok := strings.CutPrefix(v.Metric, "sigma_"); ok {
				if n, err := strconv.Atoi(i); err == nil && n == len(spectra[v.Module])+1 {
					spectra[v.Module] = append(spectra[v.Module], float64(v.Value))
				}
			}
		}
		for metric, values := range seed {
			g.values[metric] = append(g.values[metric], values...)
			_, m, _ := notebooks.Quartiles(values)
			g.bySeed[metric] = append(g.bySeed[metric], m)
		}
		for i, module := range report.Modules {
			norm := seed["frobenius_norm"][i]
			g.spectra = append(g.spectra, relative(spectra[module], norm))
		}
	}
	return g, nil
}

// relative returns the parts of the energy in the first directions, summed up.
func relative(sigma []float64, norm float64) (parts []float64) {
	sum := 0.0
	for _, s := range sigma {
		sum += s * s / (norm * norm)
		parts = append(parts, sum)
	}
	return parts
}

// kept returns the parts of the energy in the first r directions, of the maps
// whose spectrum was recorded so far.
func (g *group) kept(r int) (parts []float64) {
	for _, s := range g.spectra {
		if len(s) >= r {
			parts = append(parts, s[r-1])
		}
	}
	return parts
}
