package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/kernels"
)

// parseKernels reads the command line of compare kernels.
func parseKernels(args []string, stderr io.Writer) (func(stdout, stderr io.Writer) error, error) {
	var o compare.Options
	flags := newFlags()
	asJSON := flags.Bool("json", false, "print JSON, with the cells that the table leaves out")
	flags.BoolVar(&o.Quick, "quick", false, "fewer shapes and less time for each: under three minutes")
	svg := flags.String("svg", "", "write the roofline of the machine to `FILE`, at the first level and number of threads")
	threads := flags.String("threads", strings.Join(counts(), ","), "numbers of threads, a `list` with commas")
	simd := flags.String("simd", kernels.Active().String(), "levels of our kernels, a `list` with commas, or all")
	only := flags.String("only", "", "measure only rows whose group/name/simd=…/threads=… matches the regular expression `PATTERN`")
	err := parseFlags(flags, args, "usage: compare kernels [flags]", compare.Groups(), stderr)
	if err == nil {
		o.Threads, err = parseThreads(*threads)
	}
	if err == nil {
		o.Levels, err = parseLevels(*simd)
	}
	if err == nil {
		o.Only, err = parsePattern(*only)
	}
	return func(stdout, stderr io.Writer) error {
		rep, err := present(func(begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
			return compare.Run(o, begin, show)
		}, *asJSON, stdout, stderr)
		if err != nil || *svg == "" {
			return err
		}
		return writeFile(*svg, compare.Roofline(rep, o.Levels[0].String(), o.Threads[0]))
	}, err
}

// counts are one thread and, where there are more processors, two.
func counts() []string {
	if runtime.NumCPU() > 1 {
		return []string{"1", "2"}
	}
	return []string{"1"}
}

func parseThreads(list string) (threads []int, err error) {
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 || n > runtime.NumCPU() {
			return nil, fmt.Errorf("--threads: %q: want numbers from 1 to %d, the processors of this machine", field, runtime.NumCPU())
		}
		threads = append(threads, n)
	}
	return threads, nil
}

func parseLevels(list string) (levels []kernels.Level, err error) {
	if list == "all" {
		return kernels.Levels(), nil
	}
	before := kernels.Active()
	defer kernels.SetLevel(before)
	for field := range strings.SplitSeq(list, ",") {
		l, err := kernels.ParseLevel(strings.TrimSpace(field))
		if err == nil {
			err = kernels.SetLevel(l) // says why a level is not here
		}
		if err != nil {
			return nil, fmt.Errorf("--simd: %w", err)
		}
		levels = append(levels, l)
	}
	return levels, nil
}

// writeFile writes text to path, whole or not at all.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".svg-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there after the rename
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
