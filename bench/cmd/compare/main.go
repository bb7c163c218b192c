// Command compare measures our kernels beside oneDNN, OpenBLAS and PyTorch in
// one run, and prints for every piece of work whether it reaches its target:
//
//	go run ./bench/cmd/compare kernels [--json] [--threads 1,2] [--simd avx2,avx512] [--quick] [--only PATTERN] [--svg FILE]
//
// A target that is missed is information: the exit code is 0 when the run went
// through, 1 when it could not, and 2 when the command line is wrong.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/kernels"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// A request is a command line.
type request struct {
	compare.Options
	json bool
	svg  string
}

const synopsis = "usage: compare kernels [flags]"

func run(args []string, stdout, stderr io.Writer) int {
	q, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "compare:", err)
		return 2
	}
	if err := measure(q, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "compare:", err)
		return 1
	}
	return 0
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (q request, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is printed once, by run
	flags.BoolVar(&q.json, "json", false, "print JSON, with the cells that the table leaves out")
	flags.BoolVar(&q.Quick, "quick", false, "fewer shapes and less time for each: under three minutes")
	flags.StringVar(&q.svg, "svg", "", "write the roofline of the machine to `FILE`, at the first level and number of threads")
	threads := flags.String("threads", strings.Join(counts(), ","), "numbers of threads, a `list` with commas")
	simd := flags.String("simd", kernels.Active().String(), "levels of our kernels, a `list` with commas, or all")
	only := flags.String("only", "", "measure only rows whose group/name/simd=…/threads=… matches the regular expression `PATTERN`")
	usage := func() {
		fmt.Fprintln(stderr, synopsis)
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		for _, g := range compare.Groups() {
			fmt.Fprintf(stderr, "  group %-10s %s\n", g.Name, g.Title)
		}
	}
	flags.Usage = func() {}
	if len(args) == 0 || args[0] != "kernels" {
		usage()
		if len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help") {
			return q, flag.ErrHelp
		}
		return q, errors.New("want the word kernels first: it is what can be compared")
	}
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage()
		}
		return q, err
	}
	if flags.NArg() > 0 {
		return q, fmt.Errorf("%q: want no argument after the flags", flags.Arg(0))
	}
	if q.Threads, err = parseThreads(*threads); err != nil {
		return q, err
	}
	if q.Levels, err = parseLevels(*simd); err != nil {
		return q, err
	}
	if *only != "" {
		if q.Only, err = regexp.Compile(*only); err != nil {
			return q, fmt.Errorf("--only: %w", err)
		}
	}
	return q, nil
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

// measure runs the comparison and prints the table as its rows come, or the
// JSON at the end.
func measure(q request, stdout, stderr io.Writer) error {
	var group compare.Group
	first := true
	begin := func(rep *compare.Report, g compare.Group) {
		group = g
		if q.json {
			fmt.Fprintln(stderr, g.Title)
			return
		}
		if first {
			compare.WriteMachine(stdout, rep)
		}
		first = false
		compare.WriteGroup(stdout, g)
	}
	show := func(row *compare.Row) {
		if !q.json {
			compare.WriteRow(stdout, group, row)
		}
	}
	rep, err := compare.Run(q.Options, begin, show)
	if err != nil {
		return err
	}
	if q.svg != "" {
		if err := writeFile(q.svg, compare.Roofline(rep, q.Levels[0].String(), q.Threads[0])); err != nil {
			return err
		}
	}
	if q.json {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return out.Encode(rep)
	}
	if first {
		compare.WriteMachine(stdout, rep)
	}
	compare.WriteEnd(stdout, rep)
	return nil
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
