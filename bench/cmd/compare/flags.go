package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"

	"github.com/lowrank/lowrank/bench/compare"
)

// newFlags returns an empty set. Its errors are printed once, by run.
func newFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return flags
}

// parseFlags parses all arguments, and prints the usage where it is asked for.
func parseFlags(flags *flag.FlagSet, args []string, usage string, groups []compare.Group, stderr io.Writer) error {
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, usage)
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		for _, g := range groups {
			fmt.Fprintf(stderr, "  group %-10s %s\n", g.Name, g.Title)
		}
	}
	if err == nil && flags.NArg() > 0 {
		return fmt.Errorf("%q: want no argument after the flags", flags.Arg(0))
	}
	return err
}

// parsePattern compiles the value of --only; nil for none.
func parsePattern(only string) (*regexp.Regexp, error) {
	if only == "" {
		return nil, nil
	}
	re, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	return re, nil
}
