// Package study is the comparison that lowrank makes by default: a small base
// model is pretrained on prose, adapted to another text by many methods over a
// grid of learning rates and seeds, and measured on held-out text of both.
package study

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/report"
	"github.com/lowrank/lowrank/experiments/sweep"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
)

// A Study is what study.json holds: all that the runs follow from.
type Study struct {
	Format      int                     `json:"format"`
	Command     string                  `json:"command"` // does the whole study again
	Pretraining experiments.Pretraining `json:"pretraining"`
	Template    *experiments.Config     `json:"template"`
	Methods     []string                `json:"methods"`
	LRs         []float64               `json:"learning_rates"`
	Seeds       []uint64                `json:"seeds"`
	Extend      int                     `json:"extend"` // learning rates beyond the grid, to bracket an optimum
	Facts       []report.Fact           `json:"facts,omitempty"`
}

const (
	format = 1
	file   = "study.json"
)

// methods stand in the default study: each axis of the taxonomy, and full
// fine-tuning as the yardstick.
var methods = []string{"full", "lora", "rslora", "dora", "vera", "hira", "adalora", "pissa", "olora", "lora-ga",
	"lora-plus", "lora-fa", "lora-pro", "lora-moe", "mola"}

// Default is the study that finishes within ten minutes on two cores. The
// learning rate of its pretraining is below where training becomes chaotic, so
// that kernels which round otherwise (another level of instructions) give the
// same base up to rounding.
func Default() *Study {
	t := experiments.DefaultConfig()
	t.Rank, t.Alpha = 8, 8
	t.Train.Steps, t.Train.Batch, t.Train.Tokens = 80, 8, 64
	t.Train.Warmup = 0.05
	t.Eval.Every, t.Eval.Batches = 40, 4
	t.Probe = experiments.Probe{Tier0: 16, Tier1: 16, Tier2: 40}
	t.Checkpoint.Every = 0
	return &Study{
		Format: format, Command: "lowrank study",
		Pretraining: experiments.Pretraining{
			Model: llama.Config{
				HiddenSize: 128, IntermediateSize: 344, NumHiddenLayers: 4, NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 32,
				RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 256, MaxPositionEmbeddings: 512, TieWordEmbeddings: true,
			},
			Steps: 700, Batch: 16, Tokens: 64, LR: 1e-3, Seed: 1,
		},
		Template: t, Methods: methods, LRs: sweep.Decades(-3.5, -1), Seeds: []uint64{1, 2}, Extend: 2,
	}
}

// Quick is a study of the same methods that finishes within two minutes: its
// model is smaller, its runs shorter, and its numbers say little.
func Quick() *Study {
	s := Default()
	s.Command = "lowrank study --quick"
	m := &s.Pretraining.Model
	m.HiddenSize, m.IntermediateSize, m.NumHiddenLayers, m.NumAttentionHeads, m.NumKeyValueHeads = 64, 176, 2, 2, 1
	s.Pretraining.Steps, s.Pretraining.LR = 500, 2e-3
	s.Template.Train.Steps = 40
	s.Template.Eval.Batches, s.Template.Probe = 2, experiments.Probe{Tier0: 10, Tier1: 10, Tier2: 20}
	s.LRs, s.Extend = sweep.Decades(-3, -1), 0
	return s
}

// Read returns the study that lies in dir.
func Read(dir string) (*Study, error) {
	path := filepath.Join(dir, file)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s Study
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.Format != format {
		return nil, fmt.Errorf("%s has format %d: this version reads format %d", path, s.Format, format)
	}
	return &s, nil
}

// Run prepares the base, trains what is not yet done, and writes study.json
// and report.html into dir. The report is written of what there is also when
// ctx is done in the middle; the error is then ctx.Err(). The path of the
// report is returned where one was written.
func (s *Study) Run(ctx context.Context, dir string, workers int, pretraining func(step int, loss float64), w sweep.Watcher) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	if err := record.WriteJSON(filepath.Join(dir, file), s); err != nil { // an unwritable folder shows now
		return "", err
	}
	setting, err := experiments.OpenSetting(ctx, dir, s.Template, s.Pretraining, pretraining)
	if err != nil {
		return "", err
	}
	for _, name := range s.Methods { // a rank too high for a method shows now, not in the fortieth run
		c := *s.Template
		c.Method = experiments.Method{Name: name}
		if _, err := setting.Check(&c); err != nil {
			return "", err
		}
	}
	if err := s.describe(setting); err != nil {
		return "", err
	}
	if err := record.WriteJSON(filepath.Join(dir, file), s); err != nil {
		return "", err
	}
	grid := &sweep.Grid{Template: s.Template, Methods: s.Methods, LRs: s.LRs, Seeds: s.Seeds, Extend: s.Extend}
	recs, err := sweep.Run(ctx, setting, grid, filepath.Join(dir, "runs"), workers, w)
	if len(recs) == 0 {
		return "", err
	}
	path := filepath.Join(dir, "report.html")
	if werr := s.Page(path, dir, recs); werr != nil {
		return "", werr
	}
	return path, err
}

// describe notes what the report says of the setting.
func (s *Study) describe(setting *experiments.Setting) error {
	t := s.Template
	adapt, prose, err := setting.BaseLosses(t.Train.Batch, t.Train.Tokens, t.Eval.Batches)
	if err != nil {
		return err
	}
	base := fmt.Sprintf("bytes as tokens, %d parameters", nn.Parameters(setting.Base))
	if t.Model != "" {
		base += ", from " + t.Model
	} else {
		p, m := s.Pretraining, s.Pretraining.Model
		base = fmt.Sprintf("Llama decoder of %d layers, width %d, %d heads (%d for keys and values), SwiGLU %d, %s, pretrained for %d steps of %d × %d tokens",
			m.NumHiddenLayers, m.HiddenSize, m.NumAttentionHeads, m.NumKeyValueHeads, m.IntermediateSize, base, p.Steps, p.Batch, p.Tokens)
	}
	s.Facts = []report.Fact{
		{Name: "Base model", Text: base},
		{Name: "Pretrained on", Text: fmt.Sprintf("%s (%d bytes to train on, %d held out); held-out loss %.3f nats a byte", setting.Texts[0], len(setting.Prose.Train), len(setting.Prose.HeldOut), prose)},
		{Name: "Adapted to", Text: fmt.Sprintf("%s (%d bytes to train on, %d held out); held-out loss before %.3f nats a byte", setting.Texts[1], len(setting.Adapt.Train), len(setting.Adapt.HeldOut), adapt)},
		{Name: "Training", Text: fmt.Sprintf("%d steps of %d × %d tokens, %s schedule with %g %% warm-up to %g of the peak, gradients clipped at %g, no weight decay; the last step is what counts",
			t.Train.Steps, t.Train.Batch, t.Train.Tokens, t.Train.Schedule, 100*t.Train.Warmup, t.Train.MinLR, t.Train.Clip)},
		{Name: "Adapters", Text: fmt.Sprintf("rank %d, alpha %g, on %s", t.Rank, t.Alpha, t.Targets)},
	}
	return nil
}

// Page writes the report of recs, which lie under dir/runs, to path.
func (s *Study) Page(path, dir string, recs []*record.Run) error {
	return record.WriteFile(path, func(w io.Writer) error { return report.WritePage(w, s.report(dir, recs)) })
}

// Figures writes the charts of the report as SVG files into a folder and
// returns their paths.
func (s *Study) Figures(folder, dir string, recs []*record.Run) ([]string, error) {
	var paths []string
	for _, f := range report.Figures(s.report(dir, recs)) {
		path := filepath.Join(folder, f.Name+".svg")
		err := record.WriteFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, f.SVG)
			return err
		})
		if err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (s *Study) report(dir string, recs []*record.Run) report.Study {
	return report.Study{
		Title: "Low-rank adaptation, compared", Facts: s.Facts, Command: s.Command, Runs: recs,
		Metrics: func(r *record.Run) ([]record.Metric, error) {
			return record.ReadMetrics(filepath.Join(dir, "runs", r.ID))
		},
	}
}
