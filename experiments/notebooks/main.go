package notebooks

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
)

// Exit codes, as those of the command lowrank.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitCancelled = 130
)

// Main is func main of a notebook's program: it runs the experiment, prints
// its results on standard output, and writes name.ipynb and name.html into the
// folder given by -o, each whole or not at all. It ends the process if that fails.
func Main(name, source string, experiment Experiment) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, name, source, experiment, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if code != 0 {
		os.Exit(code)
	}
}

// command executes a command line and returns the exit code.
func command(ctx context.Context, name, source string, experiment Experiment, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(errs)
	dir := flags.String("o", ".", "folder for `DIR`/"+name+".ipynb, .html and, in DIR/"+name+", the runs it is made from")
	short := flags.Bool("short", false, "a tiny form of the experiment: see the path, not the answer")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(errs, "%s: takes no argument, only flags: %q\n", name, flags.Arg(0))
		return exitUsage
	}
	err := produce(ctx, name, source, experiment, *dir, *short, out, errs)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(errs, "%s: stopped; the same command goes on from here\n", name)
		return exitCancelled
	}
	fmt.Fprintf(errs, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))
	return exitFailed
}

// produce runs the experiment and writes its notebook.
func produce(ctx context.Context, name, source string, experiment Experiment, dir string, short bool, out, errs io.Writer) (err error) {
	defer func() {
		if p := recover(); p != nil { // a defect of ours; say so in one line
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	if err := kernels.Err(); err != nil {
		return err
	}
	nb, err := New(source, experiment, out)
	if err != nil {
		return err
	}
	nb.Dir, nb.Short = filepath.Join(dir, name), short
	nb.Progress = &Progress{out: errs}
	if err := os.MkdirAll(nb.Dir, 0o777); err != nil { // an unwritable folder shows now
		return err
	}
	if err := experiment(ctx, nb); err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := record.WriteFile(path+".ipynb", nb.Write); err != nil {
		return err
	}
	if err := record.WriteFile(path+".html", func(w io.Writer) error { return nb.WritePage(w, name) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s.ipynb\n%s.html\n", path, path)
	return err
}
