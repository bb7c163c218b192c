package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

type quantizeOptions struct {
	out   string
	to    string
	force bool
}

func newQuantizeCmd() *cobra.Command {
	var opts quantizeOptions
	cmd := &cobra.Command{
		Use:   "quantize BASE -o DIR",
		Short: "Write a base model with its linear maps in few bits",
		Long: `Round the weights of the linear maps of the model in the folder BASE, one at a time,
and write DIR: config.json, model.safetensors and the tokenizer's files. NF4 stands
there as bitsandbytes saves it.

Runs with base: nf4 round the weights of any model by themselves. Those of DIR lie
in the file already, which is mapped: several processes share it, and the system can
drop it from memory.`,
		Args: exactly(1, "the folder of a base model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runQuantize(opts, args[0], cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opts.out, "output", "o", "", "folder to write the model into")
	f.StringVar(&opts.to, "to", "nf4", "nf4, bf16 or f16")
	f.BoolVar(&opts.force, "force", false, "write into a folder that is not empty")
	return cmd
}

func runQuantize(opts quantizeOptions, base string, out io.Writer) error {
	format, err := kernels.ParseDtype(opts.to)
	if err != nil || format == kernels.F32 || format == kernels.Int8 {
		return usage(fmt.Errorf("--to %q: must be nf4, bf16 or f16", opts.to))
	}
	if err := free(opts.out, opts.force, base); err != nil {
		return usage(err)
	}
	model, err := pretrained.LoadKept(base, format, nil)
	if err != nil {
		return usage(err)
	}
	tensors, err := pretrained.KeptTensors(model)
	if err != nil {
		return usage(err)
	}
	config, err := quantizedConfig(base, model, format)
	if err != nil {
		return usage(err)
	}
	if err := os.MkdirAll(opts.out, 0o777); err != nil {
		return err
	}
	path := filepath.Join(opts.out, pretrained.ConfigFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var files []string
	write := func(name string, contents func(io.Writer) error) {
		if err == nil {
			err = record.WriteFile(filepath.Join(opts.out, name), contents)
			files = append(files, name)
		}
	}
	write(pretrained.WeightsFile, func(w io.Writer) error { return pretrained.WriteRaw(w, tensors, nil) })
	if err := copyBesides(base, write); err != nil {
		return err
	}
	write(pretrained.ConfigFile, func(w io.Writer) error { _, err := w.Write(config); return err })
	if err != nil {
		return err
	}
	size := 0
	for _, t := range tensors {
		size += len(t.Bytes)
	}
	fmt.Fprintf(out, "%s: %s, %.1f MB of tensors\n", opts.out, strings.Join(files, ", "), float64(size)/1e6)
	return nil
}

// quantizedConfig returns the configuration of a model in a format.
func quantizedConfig(base string, model nn.Model, format kernels.Dtype) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(base, pretrained.ConfigFile))
	if err != nil || format != kernels.NF4 {
		return b, err
	}
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("%s: %w", pretrained.ConfigFile, err)
	}
	var skip []string // what transformers is not to take for NF4
	for _, l := range model.Linears() {
		if l.Output {
			skip = append(skip, l.Name)
		}
	}
	fields["quantization_config"] = map[string]any{
		"quant_method": "bitsandbytes", "load_in_4bit": true, "load_in_8bit": false, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true,
		"bnb_4bit_compute_dtype": "float32", "bnb_4bit_quant_storage": "uint8", "llm_int8_skip_modules": skip,
	}
	b, err = json.MarshalIndent(fields, "", "  ")
	return append(b, '\n'), err
}
