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

type reportOptions struct{ figures bool }

func newReportCmd() *cobra.Command {
	var opts reportOptions
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the report of a study's runs again",
		Long: `Write DIR/report.html from the runs in DIR/runs that are complete, and with
--figures its charts as SVG files into DIR/figures.`,
		Args: exactly(1, "the folder of a study"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runReport(opts, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&opts.figures, "figures", false, "write the charts as SVG files too")
	return cmd
}

func runReport(opts reportOptions, dir string, out, errs io.Writer) error {
	s, err := study.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		s = &study.Study{Command: "lowrank run CONFIG -o " + dir}
	} else if err != nil {
		return usage(err)
	}
	runs := filepath.Join(dir, "runs")
	if _, err := os.Stat(runs); err != nil {
		return usage(fmt.Errorf("%s holds no study: %w", dir, err))
	}
	recs, bad, err := record.ReadRuns(runs)
	if err != nil {
		return err
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
		return usage(fmt.Errorf("%s holds no complete run", runs))
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
