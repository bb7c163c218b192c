package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/overhead"
	"github.com/lowrank/lowrank/bench/step"
)

// parseOverhead reads the command line of compare overhead.
func parseOverhead(args []string, stderr io.Writer) (func(stdout, stderr io.Writer) error, error) {
	var o overhead.Options
	flags := newFlags()
	asJSON := flags.Bool("json", false, "print JSON")
	flags.IntVar(&o.Threads, "threads", min(2, runtime.NumCPU()), "number of threads")
	flags.IntVar(&o.Rounds, "rounds", 15, "how many steps each side takes")
	model := flags.String("model", step.Decoder.Name, "shape of the model: encoder, decoder or study")
	methods := flags.String("method", "", "methods, a `list` with commas; else the rules that have a target, and some more")
	err := parseFlags(flags, args, "usage: compare overhead [flags]", nil, stderr)
	if most := runtime.NumCPU(); err == nil && (o.Threads < 1 || o.Threads > most) {
		err = fmt.Errorf("--threads: %d: want a number from 1 to %d, the processors of this machine", o.Threads, most)
	}
	if err == nil && (o.Rounds < 1 || o.Rounds > 1000) {
		err = fmt.Errorf("--rounds: %d: want a number from 1 to 1000", o.Rounds)
	}
	if err == nil {
		if o.Shape, err = step.ShapeOf(*model); err != nil {
			err = fmt.Errorf("--model: %w", err)
		}
	}
	if err == nil {
		o.Methods, err = parseMethods(*methods)
	}
	return func(stdout, stderr io.Writer) error {
		_, err := present(func(begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
			return overhead.Run(o, begin, show)
		}, *asJSON, stdout, stderr)
		return err
	}, err
}
