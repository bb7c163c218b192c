package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/training"
	"github.com/lowrank/lowrank/kernels"
)

// parseBig reads the command line of compare big.
func parseBig(args []string, stderr io.Writer) (func(stdout, stderr io.Writer) error, error) {
	var o training.BigOptions
	flags := newFlags()
	asJSON := flags.Bool("json", false, "print JSON")
	flags.IntVar(&o.Threads, "threads", min(2, runtime.NumCPU()), "number of threads")
	flags.IntVar(&o.Steps, "steps", 3, "how many steps are timed")
	bases := flags.String("base", "nf4", "formats that the weights are kept in, a `list` with commas of nf4, int8, bf16, f16 and f32")
	methods := flags.String("method", "lora", "methods, a `list` with commas")
	err := parseFlags(flags, args, "usage: compare big [flags]", nil, stderr)
	if most := runtime.NumCPU(); err == nil && (o.Threads < 1 || o.Threads > most) {
		err = fmt.Errorf("--threads: %d: want a number from 1 to %d, the processors of this machine", o.Threads, most)
	}
	if err == nil && o.Steps < 1 {
		err = fmt.Errorf("--steps: %d: want at least 1", o.Steps)
	}
	if err == nil {
		o.Methods, err = parseMethods(*methods)
	}
	for field := range strings.SplitSeq(*bases, ",") {
		if err != nil {
			break
		}
		var d kernels.Dtype
		if d, err = kernels.ParseDtype(strings.TrimSpace(field)); err != nil {
			err = fmt.Errorf("--base: %w", err)
		}
		o.Bases = append(o.Bases, d.String())
	}
	return func(stdout, stderr io.Writer) error {
		_, err := present(func(begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
			return training.Big(o, begin, show)
		}, *asJSON, stdout, stderr)
		return err
	}, err
}
