package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/bench/training"
	"github.com/lowrank/lowrank/lora"
)

// parseStep reads the command line of compare step.
func parseStep(args []string, stderr io.Writer) (func(stdout, stderr io.Writer) error, error) {
	var o training.Options
	flags := newFlags()
	asJSON := flags.Bool("json", false, "print JSON")
	threads := flags.String("threads", strings.Join(counts(), ","), "numbers of threads, a `list` with commas")
	models := flags.String("model", "encoder,decoder,study", "shapes of models, a `list` with commas; there are masked and answers too")
	methods := flags.String("method", "", "methods, a `list` with commas; else those that have a target at each shape")
	flags.StringVar(&o.Python, "python", "", "the Python that has torch, transformers and peft; else $"+peers.PythonVariable+", else python3 (`PATH`)")
	flags.BoolVar(&o.Compile, "compile", false, "time torch.compile too, whose first step takes minutes")
	var svg string
	flags.StringVar(&svg, "svg", "", "draw time against threads into `FILE`")
	flags.StringVar(&svg, "o", "", "short for -svg `FILE`")
	err := parseFlags(flags, args, "usage: compare step [flags]", nil, stderr)
	if err == nil {
		o.Threads, err = parseThreads(*threads)
	}
	if err == nil {
		o.Shapes, err = parseShapes(*models)
	}
	if err == nil {
		o.Methods, err = parseMethods(*methods)
	}
	return func(stdout, stderr io.Writer) error {
		rep, err := present(func(begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
			return training.Run(o, begin, show)
		}, *asJSON, stdout, stderr)
		if err != nil || svg == "" {
			return err
		}
		return writeFile(svg, training.Picture(rep))
	}, err
}

func parseShapes(list string) (shapes []step.Shape, err error) {
	for field := range strings.SplitSeq(list, ",") {
		s, err := step.ShapeOf(strings.TrimSpace(field))
		if err == nil && s.Name == step.Big.Name {
			err = fmt.Errorf("the shape big has a command of its own, compare big")
		}
		if err != nil {
			return nil, fmt.Errorf("--model: %w", err)
		}
		shapes = append(shapes, s)
	}
	return shapes, nil
}

// parseMethods returns nil for an empty list.
func parseMethods(list string) (methods []string, err error) {
	if list == "" {
		return nil, nil
	}
	for field := range strings.SplitSeq(list, ",") {
		method := strings.TrimSpace(field)
		if method != step.Everything {
			if _, err := lora.Row(method); err != nil {
				return nil, fmt.Errorf("--method: %w", err)
			}
		}
		if !slices.Contains(methods, method) {
			methods = append(methods, method)
		}
	}
	return methods, nil
}
