// The notebook 09_base_formats asks what it costs to adapt a base whose weights
// are kept in few bits.
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

func main() { notebooks.Main("09_base_formats", source, baseFormats) }

func baseFormats(ctx context.Context, nb *notebooks.Notebook) error {
	// # What does it cost to keep the base in few bits?
	//
	// The frozen weights of an adapted model need not be float32. QLoRA (arXiv
	// 2305.14314) keeps them as NF4, 16 numbers for each block of 64 weights, whose
	// scales are rounded to 8 bits in turn: 4.13 bits a weight, and a table of 1 KiB
	// for each matrix, which shows in small ones. int8 has a scale a
	// row (LLM.int8(), arXiv 2208.07339); bf16 is the upper half of a float32.
	//
	// The adapter is float32 in all of them, and so are the products: a weight is
	// decoded as it is read. What differs is the function that training starts from.

	// ## Design
	//
	// The small decoder of `lowrank study`, pretrained here on prose and adapted to
	// Go source by LoRA of rank 8 on every linear map of the blocks, with the weights
	// of these maps in each format. A seed is the same batches and the same A in all
	// formats, so that runs are compared in pairs.

	s := study.Default()
	seeds, lr := []uint64{1, 2, 3}, 1e-2
	s.Template.Train.Steps, s.Template.Eval.Every, s.Template.Eval.Batches, s.Template.Probe.Every = 200, 10, 8, 0
	if nb.Short { // the same path in seconds; its numbers mean nothing
		seeds = seeds[:1]
		m := &s.Pretraining.Model
		m.HiddenSize, m.IntermediateSize, m.NumHiddenLayers, m.HeadDim, m.NumAttentionHeads, m.NumKeyValueHeads = 32, 64, 1, 16, 2, 1
		s.Pretraining.Steps, s.Template.Train.Steps, s.Template.Eval.Batches = 30, 20, 1
	}
	formats := []string{"float32", "bf16", "f16", "int8", "nf4"}

	// ## Weights
	//
	// Bits a weight, and how far the rounded weights W' of the linear maps are from
	// the W of the base: ‖W' − W‖/‖W‖ over all of them.

	c := s.Template.Train
	settings := map[string]*experiments.Setting{}
	before := map[string]float64{}
	var lines [][]string
	for _, format := range formats {
		t := *s.Template
		t.Base.Format = format
		setting, err := experiments.OpenSetting(ctx, nb.Dir, &t, s.Pretraining, nb.Progress.Pretraining)
		if err != nil {
			return err
		}
		settings[format] = setting
		if before[format], _, err = setting.BaseLosses(c.Batch, c.Tokens, t.Eval.Batches); err != nil {
			return err
		}
		bits, distance := compare(setting.Base, settings[formats[0]].Base)
		lines = append(lines, []string{format, fmt.Sprintf("%.2f", bits), fmt.Sprintf("%.2e", distance), fmt.Sprintf("%.4f", before[format])})
	}
	nb.Table([]string{"format", "bits a weight", "distance", "held-out loss before training"}, lines...)

	// ## Runs
	//
	// Held-out loss on Go source, in nats a byte, of the last step: median over the
	// seeds (lowest – highest); and what it is above that of float32 with the same
	// seed.

	losses := map[string]map[int][]float64{} // by format and step, a value a seed
	for _, format := range formats {
		t := *s.Template
		t.Base.Format = format
		grid := &sweep.Grid{Template: &t, Methods: []string{"lora"}, LRs: []float64{lr}, Seeds: seeds}
		dir := filepath.Join(nb.Dir, "runs", format)
		runs, err := sweep.Run(ctx, settings[format], grid, dir, runtime.GOMAXPROCS(0), nb.Progress)
		if err != nil {
			return err
		}
		if losses[format], err = read(dir, runs); err != nil {
			return err
		}
	}
	steps := slices.Sorted(func(yield func(int) bool) {
		for step := range losses[formats[0]] {
			if !yield(step) {
				return
			}
		}
	})
	last := steps[len(steps)-1]
	lines = nil
	for _, format := range formats {
		lines = append(lines, []string{format, notebooks.Span(losses[format][last]), signed(above(losses, format, last)), signed([]float64{before[format] - before[formats[0]]})})
	}
	nb.Table([]string{"format", "held-out loss", "above float32", "above float32 before training"}, lines...)

	var curves, differences []chart.Series
	for i, format := range formats {
		curve := chart.Series{Name: format, Style: i, Line: true, End: format}
		difference := chart.Series{Name: format, Style: i, Line: true, End: format}
		for _, step := range steps {
			add(&curve, float64(step), losses[format][step])
			add(&difference, float64(step), above(losses, format, step))
		}
		curves = append(curves, curve)
		if i > 0 {
			differences = append(differences, difference)
		}
	}
	nb.Figure(chart.Plot{Title: "Held-out loss over steps", Width: 640, Height: 380, Legend: true,
		X: chart.Axis{Title: "step", Whole: true}, Y: chart.Axis{Title: "nats a byte"}, Series: curves}.SVG())
	nb.Figure(chart.Plot{Title: "Held-out loss above that of float32 with the same seed", Width: 640, Height: 380, Legend: true,
		X: chart.Axis{Title: "step", Whole: true}, Y: chart.Axis{Title: "nats a byte"}, Series: differences}.SVG())

	// ## Conclusion
	//
	// Computed from the runs above.

	spread := slices.Max(losses[formats[0]][last]) - slices.Min(losses[formats[0]][last])
	for _, format := range formats[1:] {
		_, median, _ := notebooks.Quartiles(above(losses, format, last))
		nb.Printf("%s ends %+.4f nats a byte from float32 (median over %d seeds); it began %+.4f from it. Seeds of float32 differ by %.4f.\n",
			format, median, len(seeds), before[format]-before[formats[0]], spread)
	}

	// What this does not show. One small base: a large one has weights of other
	// shapes, and outliers that a format with a scale for a whole row does not like.
	// One method, one rank, one learning rate, and few steps.

	return nil
}

// compare returns the bits a weight of the linear maps of a model, and how far
// they are from those of another, relative to these.
func compare(model, other nn.Model) (bits, distance float64) {
	var bytes, values, square, norm float64
	for i, l := range model.Linears() {
		if l.Kind != nn.Dense || l.Output {
			continue
		}
		bytes, values = bytes+float64(l.W.Values().Bytes()), values+float64(l.W.Size())
		want := other.Linears()[i].Weight()
		for j, v := range l.Weight() {
			d := float64(v) - float64(want[j])
			square, norm = square+d*d, norm+float64(want[j])*float64(want[j])
		}
	}
	return 8 * bytes / values, math.Sqrt(square / norm)
}

// above returns by how much the losses of a format lie above those of float32 of
// the same seed.
func above(losses map[string]map[int][]float64, format string, step int) (differences []float64) {
	for i, l := range losses[format][step] {
		differences = append(differences, l-losses["float32"][step][i])
	}
	return differences
}

// signed writes the median of values with its sign and, of several, the lowest
// and the highest.
func signed(values []float64) string {
	_, median, _ := notebooks.Quartiles(values)
	if len(values) < 2 {
		return fmt.Sprintf("%+.4f", median)
	}
	return fmt.Sprintf("%+.4f (%+.4f – %+.4f)", median, slices.Min(values), slices.Max(values))
}

// read returns the held-out losses of runs, which lie in dir, by step.
func read(dir string, runs []*record.Run) (map[int][]float64, error) {
	losses := map[int][]float64{}
	for _, r := range runs {
		if r.Status != record.Done {
			return nil, fmt.Errorf("%s: %s %s", filepath.Join(dir, r.ID), r.Status, r.Error)
		}
		metrics, err := record.ReadMetrics(filepath.Join(dir, r.ID))
		if err != nil {
			return nil, err
		}
		for _, m := range metrics {
			if m.Name == "eval_adapt_loss" {
				losses[m.Step] = append(losses[m.Step], m.Value)
			}
		}
	}
	return losses, nil
}

// add appends the median of values at x to a series, and the lowest and the
// highest to its band.
func add(s *chart.Series, x float64, values []float64) {
	_, median, _ := notebooks.Quartiles(values)
	s.X, s.Y = append(s.X, x), append(s.Y, median)
	s.Low, s.High = append(s.Low, slices.Min(values)), append(s.High, slices.Max(values))
}
