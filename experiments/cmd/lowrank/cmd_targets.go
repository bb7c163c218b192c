package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
)

type targetsOptions struct {
	out  string
	json bool
}

func newTargetsCmd() *cobra.Command {
	var opts targetsOptions
	cmd := &cobra.Command{
		Use:   "targets CONFIG",
		Short: "Show which linear maps a configuration adapts, and how, without training",
		Long: `List the linear maps that CONFIG adapts, with the rank, the scaling and the factors
that each gets. A pattern that matches nothing is an error that lists the names
there are.`,
		Args: exactly(1, "one configuration file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := experiments.ReadConfig(args[0])
			if err != nil {
				return usage(err)
			}
			return runTargets(cmd.Context(), opts, config, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&opts.out, "output", "o", "study", "folder that the base model lies in")
	cmd.Flags().BoolVar(&opts.json, "json", false, "print JSON")
	return cmd
}

func runTargets(ctx context.Context, opts targetsOptions, config *experiments.Config, out io.Writer) error {
	setting, err := modelOf(ctx, opts.out, config)
	if err != nil {
		return usage(err)
	}
	set, err := setting.Check(config)
	if err != nil {
		return usage(err)
	}
	list := experiments.Describe(set.Maps)
	if opts.json {
		return printJSON(out, list)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MAP\tOUT×IN\tRANK\tSCALING\tTRAINED\tFACTORS")
	trained := 0
	for _, a := range list {
		fmt.Fprintf(w, "%s\t%d×%d\t%d\t%.4g\t%d\t%s\n", a.Name, a.Out, a.In, a.Rank, a.Scaling, a.Trained, strings.Join(a.Factors, ", "))
		trained += a.Trained
	}
	fmt.Fprintf(w, "%d maps\t\t\t\t%d\t\n", len(list), trained)
	return w.Flush()
}

// modelOf returns a setting with the model of a configuration, with the head
// that its data ask for, or one of its shape where the base is one of our own,
// which then need not be there.
func modelOf(ctx context.Context, dir string, config *experiments.Config) (*experiments.Setting, error) {
	p, err := pretraining(dir)
	if err != nil {
		return nil, err
	}
	if config.Data.Train != "" {
		return experiments.Open(ctx, dir, config, p, nil)
	}
	var model nn.Model
	if config.Model != "" {
		model, err = experiments.LoadBase(config.Model, config.Base)
	} else {
		model, err = llama.New(p.Model, p.Seed)
	}
	return &experiments.Setting{Base: model}, err
}
