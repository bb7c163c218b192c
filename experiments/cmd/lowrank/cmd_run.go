package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/study"
)

type runOptions struct {
	out    string
	again  bool
	config *experiments.Config
	resume *record.Run // what is to be continued, if it is the same still
}

func newRunCmd() *cobra.Command {
	var opts runOptions
	cmd := &cobra.Command{
		Use:   "run CONFIG",
		Short: "Train one run from a configuration file",
		Long: `Train one run. CONFIG is YAML; the least one is

  version: 1
  method: lora

and one that adapts a model of Hugging Face to data of your own

  version: 1
  model: path/to/model      # config.json, model.safetensors, tokenizer.json
  data: {train: reviews.jsonl}

where the data are .jsonl, .csv or .parquet with a text and a label or a target,
.txt, or a folder with a sub-folder of images for each class. What the run is to
be is printed before it trains.

The run is recorded in DIR/runs/NAME. A base model, unless the configuration
names one, is pretrained once and kept in DIR/base. A run that was cut off goes
on from its last checkpoint.`,
		Args: exactly(1, "one configuration file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := experiments.ReadConfig(args[0])
			if err != nil {
				return usage(err)
			}
			if config.Name == "" {
				config.Name = trimExt(filepath.Base(args[0]))
			}
			if _, err := config.Check(); err != nil {
				return usage(fmt.Errorf("%s: method: %w", args[0], err))
			}
			opts.config = config
			return runRun(cmd.Context(), opts, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&opts.out, "output", "o", "study", "folder that the run and its base model lie in")
	cmd.Flags().BoolVar(&opts.again, "again", false, "train a run that is there already once more, as NAME_again, and say whether the adapters are equal bit for bit")
	return cmd
}

func newResumeCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "resume RUN",
		Short: "Continue a run that was cut off, bit for bit as if it had not been",
		Long: `Continue the run in the folder RUN (DIR/runs/NAME) from its last checkpoint. A run
that is complete is left as it is.`,
		Args: exactly(1, "the folder of one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return usage(err)
			}
			rec, err := record.ReadRun(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return usage(fmt.Errorf("%s holds no run: there is no run.json", args[0]))
			}
			if err != nil {
				return usage(err)
			}
			config := &experiments.Config{}
			if err := json.Unmarshal(rec.Config, config); err != nil {
				return usage(fmt.Errorf("%s: %w", filepath.Join(args[0], "run.json"), err))
			}
			if filepath.Base(filepath.Dir(dir)) != "runs" {
				return usage(fmt.Errorf("%s does not lie in a folder DIR/runs, from which the base model is found", args[0]))
			}
			config.Name = filepath.Base(dir)
			return runRun(cmd.Context(), runOptions{out: filepath.Dir(filepath.Dir(dir)), config: config, resume: rec}, cmd.OutOrStdout())
		},
	}
}

// collectSoon makes the collector of garbage begin as soon as there is a quarter as
// much of it as of what lives, which here is a few large arrays without pointers, so
// that to look through it costs little. Who sets GOGC decides. It returns what undoes it.
func collectSoon() (undo func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(25)
	return func() { debug.SetGCPercent(before) }
}

// runRun trains opts.config in opts.out and prints where it got to.
func runRun(ctx context.Context, opts runOptions, out io.Writer) error {
	c := opts.config
	method, err := c.Check()
	if err != nil {
		return usage(err)
	}
	first := filepath.Join(opts.out, "runs", c.Name)
	if opts.again {
		c.Name += "_again"
	}
	if err := writable(opts.out); err != nil {
		return err
	}
	defer collectSoon()()
	ui := newProgress(out)
	defer ui.close()
	setting, err := openSetting(ctx, opts.out, c, ui)
	if err != nil {
		return err
	}
	set, err := setting.Check(c)
	if err != nil {
		return usage(err)
	}
	run := &experiments.Run{Setting: setting, Config: c, Dir: filepath.Join(opts.out, "runs", c.Name)}
	if opts.again {
		if err := os.RemoveAll(run.Dir); err != nil {
			return err
		}
	}
	if opts.resume != nil {
		if fp, err := run.Fingerprint(); err != nil || fp != opts.resume.Fingerprint {
			return usage(errors.Join(err, fmt.Errorf("%s was trained on another base model or other texts: lowrank run starts it anew", run.Dir)))
		}
	}
	rec, finished := run.Finished()
	if there, err := record.ReadRun(run.Dir); !finished && err == nil && there.Status == record.Done {
		return usage(fmt.Errorf("%s holds a run of another configuration, base or text: name this one otherwise (name: in the configuration)", run.Dir))
	}
	if setting.Task != "" {
		printFacts(out, setting.Facts(set))
	}
	set = nil // it holds a model
	if !finished {
		ui.Plan(1)
		told := time.Now()
		seen := live{}
		run.Observe = func(rows []record.Metric) {
			seen.see(rows)
			ui.Show(seen.String())
		}
		run.Watch = func(step, steps int, loss float64) {
			ui.Step(c.Name, step, steps, loss)
			if ui.bars == nil && (time.Since(told) > every || step == steps) {
				told = time.Now()
				fmt.Fprintln(out, strings.TrimSuffix(fmt.Sprintf("step %d of %d, loss %.4f · %s", step, steps, loss, seen), " · "))
			}
		}
		run.Cache = filepath.Join(opts.out, experiments.Calibrations)
		run.Calibrating = ui.calibrating()
		if rec, err = run.Do(ctx); err != nil {
			return err
		}
	}
	ui.End(rec, finished, nil)
	ui.close()
	fmt.Fprintf(out, "%s: %s on %d linear maps, %d trained parameters\n", rec.Method.Name, method.Paper, rec.Train.Adapters, rec.Train.TrainedParameters)
	if rec.Status == record.Diverged {
		fmt.Fprintf(out, "diverged at step %d\n", rec.DivergedAt)
	} else if setting.Task != "" {
		fmt.Fprintln(out, outcome(rec.Eval))
	} else {
		fmt.Fprintf(out, "held-out loss %.4f (before %.4f), on the base text %.4f (before %.4f) nats a token\n",
			rec.Eval["adapt_after"], rec.Eval["adapt_before"], rec.Eval["base_after"], rec.Eval["base_before"])
	}
	if opts.again && rec.Status == record.Done {
		if err := compareAdapters(first, run.Dir, out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, run.Dir)
	return nil
}

// openSetting reads the texts and the base of a configuration.
func openSetting(ctx context.Context, dir string, c *experiments.Config, ui *progress) (*experiments.Setting, error) {
	p, err := pretraining(dir)
	if err != nil {
		return nil, usage(err)
	}
	setting, err := experiments.Open(ctx, dir, c, p, ui.pretraining(p.Steps))
	return setting, usage(err)
}

// printFacts prints a line for each.
func printFacts(out io.Writer, facts []experiments.Fact) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range facts {
		fmt.Fprintf(w, "%s\t%s\n", f.Name, f.Text)
	}
	w.Flush()
}

// outcome tells how the held-out examples came out, and before.
func outcome(e record.Eval) string {
	text := fmt.Sprintf("held-out loss %.4f (before %.4f)", e["adapt_after"], e["adapt_before"])
	for _, name := range []string{"perplexity", "accuracy", "macro_f1", "mse", "pearson"} {
		if after, ok := e[name+"_after"]; ok {
			text += fmt.Sprintf(", %s %.4f (%.4f)", name, after, e[name+"_before"])
		}
	}
	return text
}

// pretraining says how a base of our own is made: as that of the study in the
// folder, or else as the default study's. A study that cannot be read is an
// error, since its base would be overwritten.
func pretraining(dir string) (experiments.Pretraining, error) {
	kept, err := study.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return study.Default().Pretraining, nil
	}
	if err != nil {
		return experiments.Pretraining{}, err
	}
	return kept.Pretraining, nil
}

// compareAdapters says whether two runs came out equal.
func compareAdapters(first, second string, out io.Writer) error {
	const file = "adapter/adapter_model.safetensors"
	a, err := os.ReadFile(filepath.Join(first, file))
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(out, "%s has no adapter to compare with\n", first)
		return nil
	}
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(second, file))
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return fmt.Errorf("%s: the adapter differs from that of %s", second, first)
	}
	fmt.Fprintf(out, "the adapter is equal bit for bit to that of %s\n", first)
	return nil
}

func trimExt(name string) string { return name[:len(name)-len(filepath.Ext(name))] }

// writable makes dir, or says why nothing can be written there.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return usage(fmt.Errorf("-o %s: %w", dir, err))
	}
	return nil
}
