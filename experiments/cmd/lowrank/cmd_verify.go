package main

import (
	"context"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments/verify"
)

type verifyOptions struct {
	json    bool
	only    string
	verbose bool
}

func newVerifyCmd() *cobra.Command {
	var opts verifyOptions
	cmd := &cobra.Command{
		Use:   "verify DIR...",
		Short: "Compare this code with recorded references",
		Long: `Compare what this code computes with what PEFT, transformers and tokenizers
recorded: adapted layers, optimizers, models with their adapters, tokenizers. DIR
is the folder of a reference, or has such folders below it. A case that agrees
takes one line; each tensor that does not, or that cannot be compared, has its own.`,
		Example: `  lowrank verify shared/fixtures
  lowrank verify shared/fixtures/layers --only '/(dora|pissa)' --verbose`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("%s needs a folder of references: %s", cmd.CommandPath(), cmd.UseLine()))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), opts, args, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&opts.json, "json", false, "print JSON: {\"rows\": […], \"passed\": n, \"failed\": n, \"unsupported\": n}")
	cmd.Flags().StringVar(&opts.only, "only", "", "compare the cases whose folder/case matches this regular expression")
	cmd.Flags().BoolVarP(&opts.verbose, "verbose", "v", false, "print every comparison")
	return cmd
}

// A printer takes rows as they come.
type printer interface {
	Add(verify.Row)
	Close() error
}

func runVerify(ctx context.Context, opts verifyOptions, dirs []string, out io.Writer) error {
	var only *regexp.Regexp
	if opts.only != "" {
		var err error
		if only, err = regexp.Compile(opts.only); err != nil {
			return usage(fmt.Errorf("--only %q: %w", opts.only, err))
		}
	}
	var print printer = verify.NewTable(out, opts.verbose)
	if opts.json {
		print = verify.NewObject(out)
	}
	var counts verify.Counts
	err := verify.Run(ctx, dirs, only, func(row verify.Row) {
		counts.Add(row)
		print.Add(row)
	})
	closed := print.Close()
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return usage(err)
	case closed != nil:
		return closed
	case counts.Failed > 0 || counts.Unsupported > 0:
		return fmt.Errorf("verify: %s", counts)
	}
	return nil
}
