// The lowrank command trains, compares and looks into low-rank adapters.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lowrank/lowrank/kernels"
)

// Exit codes.
const (
	exitOK        = 0
	exitFailed    = 1   // the work, or a part of it, failed
	exitUsage     = 2   // the command line or a configuration is wrong
	exitCancelled = 130 // Ctrl-C
)

// A usageError is the user's to mend.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil { // a defect of ours; say so in one line
			fmt.Fprintf(errs, "lowrank: internal error: %v\n", p)
			code = exitFailed
		}
	}()
	root := newRootCmd(out, errs)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(errs, "lowrank: stopped; the same command goes on from here")
		return exitCancelled
	}
	fmt.Fprintln(errs, "lowrank: "+oneLine(err))
	if errors.As(err, &wrong) {
		return exitUsage
	}
	return exitFailed
}

// oneLine joins the lines of an error.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

func newRootCmd(out, errs io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "lowrank",
		Short: "Train, compare and look into low-rank adapters",
		Long: `lowrank trains low-rank adapters of language models by any method of the
literature, or by a composition of their parts, and records what their updates
do while they train.

  lowrank study        compare methods over learning rates and seeds, and write a report
  lowrank run          train an adapter of a model and data of your own
  lowrank analyze      measure adapters, alone, on their base and beside each other
  lowrank merge        write an adapter into the weights of its base
  lowrank verify       compare this code with references of PEFT and transformers
  lowrank methods      the methods there are

EXIT STATUS  0 all went well · 1 something failed · 2 wrong usage or configuration · 130 stopped by Ctrl-C`,
		SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q%s: see lowrank --help", args[0], didYouMean(cmd, args[0])))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return usage(kernels.Err())
		},
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newStudyCmd(), newRunCmd(), newResumeCmd(), newReportCmd(), newAnalyzeCmd(), newTargetsCmd(), newMethodsCmd(), newMetricsCmd(), newVerifyCmd(), newGenerateCmd(), newMergeCmd(), newConvertCmd(), newQuantizeCmd())
	return root
}

// flagError adds to the error about an unknown flag the flag that is near it.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(err)
	}
	names := &cobra.Command{} // cobra measures distances between names of commands alone
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: "--" + f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return usage(fmt.Errorf("%w%s: see %s --help", err, didYouMean(names, "--"+unknown.GetSpecifiedName()), cmd.CommandPath()))
}

// didYouMean suggests the command below cmd whose name is near, if there is one.
func didYouMean(cmd *cobra.Command, name string) string {
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return fmt.Sprintf("; did you mean %s?", near[0])
	}
	return ""
}

// exactly is cobra.ExactArgs with an error that says what is wanted.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(fmt.Errorf("%s needs %s: %s", cmd.CommandPath(), what, cmd.UseLine()))
		}
		return nil
	}
}
