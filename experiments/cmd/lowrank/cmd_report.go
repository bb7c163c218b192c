package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/study"
)

type reportOptions struct {
	figures            bool
	layer, metric, out string
}

func newReportCmd() *cobra.Command {
	var opts reportOptions
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the report of a study's runs again",
		Long: `Write DIR/report.html from the runs in DIR/runs that are complete, and with
--figures its charts as SVG files into DIR/figures.

With --metric NAME one figure is written instead, and its numbers beside it as CSV:
of the layers that --layer selects (a name, its end, a regular expression for whole
names, or * and *.q_proj for what they come to together), or without it of the model,
and of all layers where the model has no such metric. DIR may then be a single run's folder,
whose layers, or the numbers of a metric such as sigma, become a heat map over
steps; of a study each method becomes a line at its best learning rate, with the
range of its seeds as a band.`,
		Args: exactly(1, "the folder of a study"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch f := cmd.Flags(); {
			case opts.metric != "":
				return runFigure(opts, args[0], cmd.OutOrStdout())
			case f.Changed("layer") || f.Changed("output"):
				return usage(fmt.Errorf("--metric is missing: the metric to draw: see lowrank metrics"))
			}
			return runReport(opts, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opts.figures, "figures", false, "write the charts as SVG files too")
	f.StringVar(&opts.layer, "layer", "", "layers to draw: q_proj, 'model.layers.[01].*', or '*.q_proj' for all of a kind as one")
	f.StringVar(&opts.metric, "metric", "", "metric to draw: effective_rank, sigma, train_loss")
	f.StringVarP(&opts.out, "output", "o", "", "file of the figure, .svg or .png (default METRIC.svg)")
	return cmd
}

func runReport(opts reportOptions, dir string, out, errs io.Writer) error {
	s, err := study.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		s = &study.Study{Command: "lowrank run CONFIG -o " + dir}
	} else if err != nil {
		return usage(err)
	}
	complete, err := completeRuns(dir, errs)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "report.html")
	if err := s.Page(path, dir, complete); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d runs: %s\n", len(complete), path)
	if !opts.figures {
		return nil
	}
	paths, err := s.Figures(filepath.Join(dir, "figures"), dir, complete)
	for _, p := range paths {
		fmt.Fprintln(out, p)
	}
	return err
}

// completeRuns reads the runs of a study that have come to an end; others are
// told.
func completeRuns(dir string, errs io.Writer) ([]*record.Run, error) {
	runs := filepath.Join(dir, "runs")
	if _, err := os.Stat(runs); err != nil {
		return nil, usage(fmt.Errorf("%s holds no study: %w", dir, err))
	}
	recs, bad, err := record.ReadRuns(runs)
	if err != nil {
		return nil, err
	}
	for _, b := range bad {
		fmt.Fprintln(errs, "lowrank: left out: "+oneLine(b))
	}
	var complete []*record.Run
	for _, r := range recs {
		if r.Status != record.Running && r.Status != record.Cancelled {
			complete = append(complete, r)
		}
	}
	if len(complete) == 0 {
		return nil, usage(fmt.Errorf("%s holds no complete run", runs))
	}
	return complete, nil
}
