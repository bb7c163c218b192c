package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/experiments/study"
	"github.com/lowrank/lowrank/lora"
)

type studyOptions struct {
	out                 string
	quick               bool
	methods             []string
	seeds, steps, rank  int
	baseText, adaptText string
	workers             int
}

func newStudyCmd() *cobra.Command {
	var opts studyOptions
	cmd := &cobra.Command{
		Use:   "study",
		Short: "Compare methods over learning rates and seeds, and write a report",
		Long: `Pretrain a small model on prose, adapt it to Go source by many methods over a grid
of learning rates and seeds, and write DIR/report.html. The texts are those that
every Go installation carries, unless others are named. Needs no network.

The default takes some six minutes on two cores, --quick half of one. Ctrl-C leaves
everything that is finished, and the same command goes on from there.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("study takes no argument, only flags: %q", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			for name, n := range map[string]int{"seeds": opts.seeds, "steps": opts.steps, "rank": opts.rank, "workers": opts.workers, "methods": len(opts.methods)} {
				if cmd.Flags().Changed(name) && n < 1 {
					return usage(fmt.Errorf("--%s %s: must be at least 1", name, cmd.Flags().Lookup(name).Value))
				}
			}
			return runStudy(cmd.Context(), opts, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opts.out, "output", "o", "study", "folder for everything that is written")
	f.BoolVar(&opts.quick, "quick", false, "a smaller model and shorter runs: see the path, not the answer")
	f.StringSliceVar(&opts.methods, "methods", nil, "methods to compare, by name; axis:NAME for all of an axis, as axis:init or axis:dynamics; all (default: fifteen, of every axis)")
	f.IntVar(&opts.seeds, "seeds", 0, "number of seeds (default 2)")
	f.IntVar(&opts.steps, "steps", 0, "training steps of each run")
	f.IntVar(&opts.rank, "rank", 0, "rank of the adapters (default 8)")
	f.StringVar(&opts.baseText, "base-text", "", "text file to pretrain on (default: Newton's Opticks, from the Go installation)")
	f.StringVar(&opts.adaptText, "adapt-text", "", "text file to adapt to (default: Go source, from the Go installation)")
	f.IntVar(&opts.workers, "workers", 0, "runs to train side by side (default: one a core)")
	return cmd
}

func runStudy(ctx context.Context, opts studyOptions, out io.Writer) error {
	s, err := opts.study()
	if err != nil {
		return usage(err)
	}
	if err := writable(opts.out); err != nil {
		return err
	}
	workers := opts.workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ui := newProgress(out)
	defer ui.close()
	began := time.Now()
	path, err := s.Run(ctx, opts.out, workers, ui.pretraining(s.Pretraining.Steps), ui)
	ui.close()
	if path != "" {
		fmt.Fprintf(out, "%s in %s: %s\n", ui.summary(), time.Since(began).Round(time.Second), path)
	}
	if err == nil && ui.failed > 0 {
		err = fmt.Errorf("%d runs failed: their run.json says why", ui.failed)
	}
	return err
}

// maxSeeds bounds --seeds: far more than tell anything new.
const maxSeeds = 1000

// study applies the flags, and refuses what could not be trained.
func (o studyOptions) study() (*study.Study, error) {
	s := study.Default()
	if o.quick {
		s = study.Quick()
	}
	t := s.Template
	flag := func(name string, value any) { s.Command += fmt.Sprintf(" --%s %v", name, value) }
	if len(o.methods) > 0 {
		var err error
		if s.Methods, err = lora.Named(o.methods); err != nil {
			return nil, err
		}
		flag("methods", strings.Join(o.methods, ","))
	}
	if o.seeds > maxSeeds {
		return nil, fmt.Errorf("--seeds %d: must be at most %d", o.seeds, maxSeeds)
	}
	for _, n := range []struct {
		name  string
		value int
		set   func(int)
	}{
		{"seeds", o.seeds, func(n int) {
			s.Seeds = nil
			for i := range n {
				s.Seeds = append(s.Seeds, uint64(i+1))
			}
		}},
		{"steps", o.steps, func(n int) { t.Train.Steps, t.Eval.Every = n, max(1, min(t.Eval.Every, n)) }},
		{"rank", o.rank, func(n int) { t.Rank, t.Alpha = n, float64(n) }},
	} {
		if n.value > 0 {
			n.set(n.value)
			flag(n.name, n.value)
		}
	}
	if o.baseText != "" {
		t.Data.BaseText = o.baseText
		flag("base-text", o.baseText)
	}
	if o.adaptText != "" {
		t.Data.AdaptText = o.adaptText
		flag("adapt-text", o.adaptText)
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	for _, path := range []string{o.baseText, o.adaptText} {
		if path == "" {
			continue
		}
		text, err := data.ReadText(path, int(t.Data.MaxBytes))
		if err != nil {
			return nil, err
		}
		if _, err := data.Split(path, text, t.Data.HeldOut, max(t.Train.Tokens, s.Pretraining.Tokens)); err != nil {
			return nil, err
		}
	}
	for _, name := range s.Methods { // a rank too high for a method shows now, not in run 40
		c := *t
		c.Method = experiments.Method{Name: name}
		if _, err := c.Check(); err != nil {
			return nil, err
		}
	}
	return s, nil
}
