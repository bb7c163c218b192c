// Command compare measures this framework beside what else there is, in one run,
// and prints for every piece of work whether it reaches its target:
//
//	go run ./bench/cmd/compare kernels [--json] [--threads 1,2] [--simd avx2,avx512] [--quick] [--only PATTERN] [--svg FILE]
//	go run ./bench/cmd/compare models [--json] [--threads 2] [--only PATTERN] [--python PATH]
//	go run ./bench/cmd/compare step [--json] [--threads 1,2] [--model encoder,decoder,study] [--method lora,…] [--compile] [--python PATH] [-o FILE]
//	go run ./bench/cmd/compare big [--json] [--threads 2] [--steps 3] [--base nf4,int8,…]
//	go run ./bench/cmd/compare probe [--json] [--threads 2] [--model study,decoder] [--method lora,…]
//	go run ./bench/cmd/compare overhead [--json] [--threads 2] [--model decoder] [--method lora-pro,…] [--rounds N]
//
// Kernels are held against oneDNN, OpenBLAS and PyTorch; models against PyTorch
// with transformers and PEFT: the embeddings of a real checkpoint, a training
// run, and adapters that one side writes and the other reads; steps against the
// same: the time and memory of whole training steps. Big shows the time and memory
// of steps of a model of 1.1 billion parameters, which it writes, some 2 GB, into
// the user's cache and removes. Probe holds steps with instruments against steps
// without. The overhead is that of our own update rules over AdamW.
//
// A target that is missed is information: the exit code is 0 when the run went
// through, 1 when it could not, and 2 when the command line is wrong.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/lowrank/lowrank/bench/training"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// A comparison is what the first word asks for. It parses its flags and runs.
type comparison struct {
	name  string
	parse func(args []string, stderr io.Writer) (measure func(stdout, stderr io.Writer) error, err error)
}

var comparisons = []comparison{
	{"kernels", parseKernels},
	{"models", parseModels},
	{"step", parseStep},
	{"big", parseBig},
	{"probe", parseProbe},
	{"overhead", parseOverhead},
}

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == training.Word { // our side of steps, a process of its own
		if err := training.Serve(os.Stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "compare:", err)
			return 1
		}
		return 0
	}
	measure, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "compare:", err)
		return 2
	}
	if err := measure(stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "compare:", err)
		return 1
	}
	return 0
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (measure func(stdout, stderr io.Writer) error, err error) {
	for _, c := range comparisons {
		if len(args) > 0 && args[0] == c.name {
			return c.parse(args[1:], stderr)
		}
	}
	for _, c := range comparisons {
		fmt.Fprintf(stderr, "usage: compare %s [flags]\n", c.name)
	}
	if len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help") {
		return nil, flag.ErrHelp
	}
	return nil, errors.New("want the word kernels, models, step, big, probe or overhead first: it is what can be compared")
}
