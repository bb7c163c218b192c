// The notebook 06_intruders_and_forgetting asks whether intruder dimensions tell
// how much a model forgets.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"

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

func main() { notebooks.Main("06_intruders_and_forgetting", source, intruders) }

func intruders(ctx context.Context, nb *notebooks.Notebook) error {
	// # Do intruder dimensions tell how much a model forgets?
	//
	// LoRA adds to a weight W0 a ΔW of low rank. Where ΔW is strong enough, the
	// weight gets leading singular vectors that are like none of W0's: **intruder
	// dimensions** (arXiv 2410.21228). Of the ten leading left singular vectors of
	// W' = W0 + ΔW those count that have a cosine below 0.5 with every left
	// singular vector of W0. The paper finds many after LoRA and few after full
	// fine-tuning, and that models with more of them forget more.
	//
	// Here **forgetting** is the rise of the held-out loss on the text that the
	// base was pretrained on, and **gain** the fall of that on the new text, both
	// in nats a byte.

	// ## Design
	//
	// The base is the small decoder of `lowrank study --quick`, pretrained on prose
	// and adapted to Go source: LoRA of rank 8 on every linear map of the blocks,
	// and full fine-tuning of the same maps, over learning rates and seeds. Every
	// run ends with an adapter, which is measured against its base as `lowrank
	// analyze --base` does.

	s := study.Quick()
	methods, seeds := []string{"lora", "full"}, []uint64{1, 2, 3}
	lrs := map[string][]float64{"lora": {1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1}, "full": {1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2}}
	s.Template.Train.Steps, s.Template.Eval.Batches, s.Template.Probe = 150, 8, experiments.Probe{}
	if nb.Short { // the same path in seconds; its numbers mean nothing
		seeds = seeds[:1]
		lrs = map[string][]float64{"lora": {1e-3, 1e-1}, "full": {1e-4, 1e-2}}
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

	var points []point
	for _, method := range methods {
		grid := &sweep.Grid{Template: s.Template, Methods: []string{method}, LRs: lrs[method], Seeds: seeds}
		dir := filepath.Join(nb.Dir, "runs")
		runs, err := sweep.Run(ctx, setting, grid, dir, runtime.GOMAXPROCS(0), nb.Progress)
		if err != nil {
			return err
		}
		for _, r := range runs {
			if r.Method.Name != method || r.Status != record.Done { // one that diverged has no adapter
				continue
			}
			p, err := measure(ctx, setting.Base, filepath.Join(dir, r.ID, "adapter"), r)
			if err != nil {
				return err
			}
			points = append(points, p)
		}
	}

	// ## By learning rate
	//
	// Medians over the seeds (lowest – highest). Intruders are counted over all
	// maps, ten directions each; the relative norm ‖ΔW‖/‖W0‖ is the median over
	// maps.

	var lines [][]string
	for _, method := range methods {
		for _, lr := range lrs[method] {
			at := where(points, func(p point) bool { return p.method == method && p.lr == lr })
			if len(at) == 0 {
				continue
			}
			lines = append(lines, []string{method, chart.Rate(lr), fmt.Sprint(len(at)), notebooks.Span(of(at, gain)), notebooks.Span(of(at, forgetting)),
				notebooks.Span(of(at, count)), notebooks.Span(of(at, energy)), notebooks.Span(of(at, norm))})
		}
	}
	nb.Table([]string{"method", "learning rate", "runs", "gain", "forgetting", "intruders", "their energy", "‖ΔW‖/‖W0‖"}, lines...)

	scatter := func(title, unit string, x func(point) float64, log bool) {
		var series []chart.Series
		for i, method := range methods {
			line := chart.Series{Name: method, Style: i, Mark: true}
			for _, p := range where(points, func(p point) bool { return p.method == method }) {
				line.X, line.Y = append(line.X, x(p)), append(line.Y, forgetting(p))
				line.Tips = append(line.Tips, p.id)
			}
			series = append(series, line)
		}
		nb.Figure(chart.Plot{Title: title, Width: 640, Height: 340, Legend: true, X: chart.Axis{Title: unit, Log: log}, Y: chart.Axis{Title: "forgetting (nats a byte)"}, Series: series}.SVG())
	}
	scatter("Forgetting against intruder dimensions", "intruders, all maps", count, false)
	scatter("Forgetting against the size of the change", "‖ΔW‖/‖W0‖, median over maps", norm, true)

	// ## Conclusion
	//
	// Spearman's rank correlation over the runs of a method, with the middle 95 %
	// of 2000 resamplings of the runs. Learning rates make runs differ in
	// everything at once; so beside the count of intruders stands the plain size
	// of ΔW, and what the count still tells among runs of like size: the partial
	// rank correlation, the size held fixed.

	lines = nil
	rising := map[string]bool{}
	for _, method := range methods {
		at := where(points, func(p point) bool { return p.method == method })
		row := []string{method, fmt.Sprint(len(at))}
		for i, statistic := range []func([]point) float64{
			func(p []point) float64 { return notebooks.Spearman(of(p, count), of(p, forgetting)) },
			func(p []point) float64 { return notebooks.Spearman(of(p, norm), of(p, forgetting)) },
			func(p []point) float64 { return partial(of(p, count), of(p, forgetting), of(p, norm)) },
		} {
			value, low, high := statistic(at), math.NaN(), math.NaN()
			if !nb.Short {
				low, high = resampled(at, statistic)
			}
			row = append(row, interval(value, low, high))
			if i == 0 {
				rising[method] = value > 0
			}
		}
		lines = append(lines, row)
	}
	nb.Table([]string{"method", "runs", "intruders ~ forgetting", "‖ΔW‖/‖W0‖ ~ forgetting", "intruders ~ forgetting, size held fixed"}, lines...)
	last := func(method string) []point {
		lr := lrs[method][len(lrs[method])-1]
		return where(points, func(p point) bool { return p.method == method && p.lr == lr })
	}
	if rising["lora"] {
		nb.Printf("After LoRA forgetting rises with the number of intruder dimensions.\n")
	} else {
		nb.Printf("After LoRA forgetting does not rise with the number of intruder dimensions.\n")
	}
	for _, method := range methods {
		best := slices.MaxFunc(lrs[method], func(a, b float64) int {
			return cmp.Compare(median(points, method, a, gain), median(points, method, b, gain))
		})
		at := where(points, func(p point) bool { return p.method == method && p.lr == best })
		nb.Printf("At the learning rate with the highest gain, %s, %s gains %s, has %s intruders and forgets %s nats a byte.\n",
			chart.Rate(best), method, notebooks.Span(of(at, gain)), notebooks.Span(of(at, count)), notebooks.Span(of(at, forgetting)))
		nb.Printf("At its highest learning rate %s has %s intruders and forgets %s nats a byte.\n", method, notebooks.Span(of(last(method), count)), notebooks.Span(of(last(method), forgetting)))
	}

	// What this does not show. A correlation over learning rates is no cause:
	// intruders and forgetting both grow with ΔW, and the last column says how
	// little or how much is left without that. Weights of 64 rows have few
	// directions, so that ten leading ones are a large part of all; the threshold
	// of 0.5 means more in a space of thousands. The paper's models are
	// pretrained for far longer, and forget other things than a text's bytes.

	return nil
}

// A point is what became of one run.
type point struct {
	id, method                             string
	lr                                     float64
	gain, forgetting, count, energy, norms float64
}

func gain(p point) float64       { return p.gain }
func forgetting(p point) float64 { return p.forgetting }
func count(p point) float64      { return p.count }
func energy(p point) float64     { return p.energy }
func norm(p point) float64       { return p.norms }

// measure compares the adapter of a run with its base.
func measure(ctx context.Context, base nn.Model, dir string, r *record.Run) (point, error) {
	p := point{id: r.ID, method: r.Method.Name, lr: r.LR, gain: r.Eval["adapt_before"] - r.Eval["adapt_after"], forgetting: r.Eval["base_after"] - r.Eval["base_before"]}
	a, err := analyze.Read(dir, base)
	if err != nil {
		return p, err
	}
	report, err := analyze.Measure(ctx, []*analyze.Adapter{a}, analyze.Options{Base: true})
	if err != nil {
		return p, err
	}
	var energies, norms []float64
	for _, v := range report.Values {
		switch v.Metric {
		case "intruders":
			p.count += float64(v.Value)
		case "intruder_energy":
			energies = append(energies, float64(v.Value))
		case "relative_norm":
			norms = append(norms, float64(v.Value))
		}
	}
	_, p.energy, _ = notebooks.Quartiles(energies)
	_, p.norms, _ = notebooks.Quartiles(norms)
	return p, nil
}

// median is that of the runs of a method at a learning rate; lowest of all where
// there are none.
func median(points []point, method string, lr float64, value func(point) float64) float64 {
	values := of(where(points, func(p point) bool { return p.method == method && p.lr == lr }), value)
	if len(values) == 0 {
		return math.Inf(-1)
	}
	_, m, _ := notebooks.Quartiles(values)
	return m
}

func where(points []point, keep func(point) bool) (kept []point) {
	for _, p := range points {
		if keep(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

func of(points []point, value func(point) float64) (values []float64) {
	for _, p := range points {
		values = append(values, value(p))
	}
	return values
}

// partial is the rank correlation of x and y with what z explains of each taken
// out.
func partial(x, y, z []float64) float64 {
	xy, xz, yz := notebooks.Spearman(x, y), notebooks.Spearman(x, z), notebooks.Spearman(y, z)
	return (xy - xz*yz) / math.Sqrt((1-xz*xz)*(1-yz*yz))
}

// resampled is the middle 95 % of a statistic over resamplings of the points.
func resampled(points []point, statistic func([]point) float64) (low, high float64) {
	random := rand.New(rand.NewPCG(1, 1))
	var all []float64
	for range 2000 {
		drawn := make([]point, len(points))
		for i := range drawn {
			drawn[i] = points[random.IntN(len(points))]
		}
		if v := statistic(drawn); !math.IsNaN(v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(all)
	return all[len(all)/40], all[len(all)-1-len(all)/40]
}

func interval(value, low, high float64) string {
	switch {
	case math.IsNaN(value) || math.IsInf(value, 0):
		return "–"
	case math.IsNaN(low):
		return fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf("%.2f [%.2f, %.2f]", value, low, high)
}
