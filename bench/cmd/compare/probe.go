package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/instruments"
)

// parseProbe reads the command line of compare probe.
func parseProbe(args []string, stderr io.Writer) (func(stdout, stderr io.Writer) error, error) {
	var o instruments.Options
	flags := newFlags()
	asJSON := flags.Bool("json", false, "print JSON")
	flags.IntVar(&o.Threads, "threads", min(2, runtime.NumCPU()), "number of threads")
	models := flags.String("model", "study,decoder", "shapes of models, a `list` with commas")
	methods := flags.String("method", "lora", "methods, a `list` with commas")
	flags.IntVar(&o.Rounds, "rounds", 0, "in which every side takes a turn; 0: as many as take half a minute, 7 to 60")
	flags.IntVar(&o.Side, "side", 2048, "of the square change whose spectrum is taken")
	err := parseFlags(flags, args, "usage: compare probe [flags]", nil, stderr)
	if most := runtime.NumCPU(); err == nil && (o.Threads < 1 || o.Threads > most) {
		err = fmt.Errorf("--threads: %d: want a number from 1 to %d, the processors of this machine", o.Threads, most)
	}
	if err == nil && (o.Rounds < 0 || o.Side < 16 || o.Side > 1<<14) {
		err = fmt.Errorf("--rounds %d, --side %d: want a number of rounds, or 0, and a side from 16 to %d", o.Rounds, o.Side, 1<<14)
	}
	if err == nil {
		o.Shapes, err = parseShapes(*models)
	}
	if err == nil {
		o.Methods, err = parseMethods(*methods)
	}
	return func(stdout, stderr io.Writer) error {
		_, err := present(func(begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
			return instruments.Run(o, begin, show)
		}, *asJSON, stdout, stderr)
		return err
	}, err
}
