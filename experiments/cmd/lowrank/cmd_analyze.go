package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments/analyze"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

type analyzeOptions struct {
	base, out         string
	checkpoints, json bool
}

func newAnalyzeCmd() *cobra.Command {
	var opts analyzeOptions
	cmd := &cobra.Command{
		Use:   "analyze ADAPTER…",
		Short: "Measure adapters: spectra, norms, overlap with the base, intruders, and each other",
		Long: `Measure what the adapters in the folders ADAPTER have made of every map's weight:
the spectrum of ΔW and what it comes down to, the factors' norms, conditions and
balance; with --base also how large ΔW is beside W0, how much it amplifies, how far
it lies in W0's leading and trailing subspaces, and its intruder dimensions.

Several adapters are compared map by map: principal angles, overlap, cosine,
interference. With --checkpoints they are those of one run, in their order, and
the path between them is measured. -o writes a page with pictures into DIR.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("%s needs the folder of an adapter, or of several: %s", cmd.CommandPath(), cmd.UseLine()))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.checkpoints && len(args) < 2 {
				return usage(fmt.Errorf("--checkpoints: one adapter makes no path: give several, in their order"))
			}
			return runAnalyze(cmd.Context(), opts, args, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.base, "base", "", "folder of the base model")
	f.StringVarP(&opts.out, "output", "o", "", "folder to write the page into")
	f.BoolVar(&opts.checkpoints, "checkpoints", false, "the adapters are checkpoints of one run, in their order")
	f.BoolVar(&opts.json, "json", false, "print JSON")
	return cmd
}

func runAnalyze(ctx context.Context, opts analyzeOptions, dirs []string, out io.Writer) error {
	var model nn.Model
	if opts.base != "" {
		weights, err := os.ReadFile(filepath.Join(dirs[0], lora.WeightsFile))
		if err != nil {
			return usage(err)
		}
		if model, _, err = baseOfAdapter(opts.base, weights); err != nil {
			return usage(fmt.Errorf("%s on %s: %w", dirs[0], opts.base, err))
		}
	}
	var adapters []*analyze.Adapter
	for i, dir := range dirs {
		if slices.Contains(dirs[:i], dir) {
			return usage(fmt.Errorf("%s is given twice", dir))
		}
		a, err := analyze.Read(dir, model)
		switch {
		case errors.Is(err, lora.ErrNeedsBase):
			return usage(fmt.Errorf("%w: give --base", err))
		case err != nil && model != nil:
			return usage(fmt.Errorf("%w (on the base %s)", err, opts.base))
		case err != nil:
			return usage(err)
		}
		adapters = append(adapters, a)
	}
	r, err := analyze.Measure(ctx, adapters, analyze.Options{Base: model != nil, Checkpoints: opts.checkpoints})
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		return usage(err)
	}
	path := filepath.Join(opts.out, "analysis.html")
	if opts.out != "" {
		if err := record.WriteFile(path, r.WritePage); err != nil {
			return err
		}
	}
	if opts.json {
		return printJSON(out, r.Values)
	}
	if err := r.Print(out); err != nil || opts.out == "" {
		return err
	}
	_, err = fmt.Fprintln(out, path)
	return err
}
