package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

type mergeOptions struct {
	out          string
	tolerance    float64
	untie, force bool
}

func newMergeCmd() *cobra.Command {
	var opts mergeOptions
	cmd := &cobra.Command{
		Use:   "merge BASE ADAPTER -o DIR",
		Short: "Write an adapter into the weights of its base model",
		Long: `Load the model in the folder BASE and the adapter in the folder ADAPTER
(adapter_config.json and adapter_model.safetensors), merge them, and write DIR: a
model of its own in float32, with config.json and the tokenizer's files of BASE.

The outputs for a random batch are compared before and after, and once more as they
are read back from DIR. Nothing is written when they differ by more than --tolerance
of the largest of them.`,
		Args: exactly(2, "the folders of a base model and of an adapter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !(opts.tolerance >= 0) {
				return usage(fmt.Errorf("--tolerance %v: must be at least 0", opts.tolerance))
			}
			return runMerge(cmd.Context(), opts, args[0], args[1], cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opts.out, "output", "o", "", "folder to write the model into")
	f.Float64Var(&opts.tolerance, "tolerance", 1e-4, "largest difference of an output, relative to the largest output")
	f.BoolVar(&opts.untie, "untie", false, "write the output's weight apart where it is tied to the embeddings and the adapter changes one of them")
	f.BoolVar(&opts.force, "force", false, "write into a folder that is not empty")
	return cmd
}

func runMerge(ctx context.Context, opts mergeOptions, base, dir string, out io.Writer) error {
	if err := free(opts.out, opts.force, base, dir); err != nil {
		return usage(err)
	}
	if _, err := os.Stat(filepath.Join(opts.out, lora.ConfigFile)); err == nil {
		return usage(fmt.Errorf("-o %s holds an adapter, which transformers would put on top of the model: choose another", opts.out))
	}
	model, set, err := adapted(base, dir)
	if err != nil {
		return usage(err)
	}
	probe, err := probeOf(model, base)
	if err != nil {
		return usage(err)
	}
	before, err := outputs(model, probe)
	if err != nil {
		return err
	}
	if err := merge(model, set, opts.untie); err != nil {
		return usage(err)
	}
	after, err := outputs(model, probe)
	if err != nil {
		return err
	}
	d := compare(before, after)
	if err := d.within(opts.tolerance); err != nil {
		return fmt.Errorf("the merged model is not the adapted one: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	files, err := writeMerged(opts.out, base, dir, model)
	if err != nil {
		return err
	}
	if err := readBack(opts.out, probe, before, opts.tolerance); err != nil {
		return errors.Join(fmt.Errorf("what was written is not the adapted model: %w", err), os.Remove(filepath.Join(opts.out, pretrained.ConfigFile)))
	}
	fmt.Fprintf(out, "merged %s of %s into %s\n", content(set), dir, base)
	fmt.Fprintf(out, "outputs up to %.4g: the largest error is %.2g, the mean %.2g\n", d.size, d.most, d.mean)
	fmt.Fprintf(out, "%s: %s\n", opts.out, strings.Join(files, ", "))
	return nil
}

// free refuses a folder that is not to be written into: one that holds
// anything, unless that is wanted, and one that is being read.
func free(dir string, force bool, read ...string) error {
	if dir == "" {
		return fmt.Errorf("-o is missing: the folder to write into")
	}
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	for _, other := range read {
		if same, err := os.Stat(other); err == nil && os.SameFile(info, same) {
			return fmt.Errorf("-o %s is the folder that is read: choose another", dir)
		}
	}
	if len(list) > 0 && !force {
		return fmt.Errorf("-o %s is not empty: --force writes into it all the same", dir)
	}
	return nil
}

// adapted reads a base model, with the classifier that the adapter of a folder
// brings along if it has one, and puts the adapter on it.
func adapted(base, dir string) (nn.Model, *lora.Set, error) {
	config, err := os.ReadFile(filepath.Join(dir, lora.ConfigFile))
	if err != nil {
		return nil, nil, err
	}
	weights, err := os.ReadFile(filepath.Join(dir, lora.WeightsFile))
	if err != nil {
		return nil, nil, err
	}
	model, _, err := baseOfAdapter(base, weights)
	if err != nil {
		return nil, nil, fmt.Errorf("%s on %s: %w", dir, base, err)
	}
	set, err := lora.Load(model, config, weights)
	if err != nil {
		return nil, nil, fmt.Errorf("%s on %s: %w", dir, base, err)
	}
	return model, set, nil
}

// baseOfAdapter reads a base model. Where the adapter's weights have a
// classifier that the model has not, it gets one: the head.
func baseOfAdapter(base string, weights []byte) (nn.Model, *pretrained.Head, error) {
	labels, err := lora.Labels(weights)
	if err != nil {
		return nil, nil, err
	}
	model, err := pretrained.Load(base)
	if err != nil || labels == 0 || slices.ContainsFunc(model.Linears(), func(l *nn.Linear) bool { return l.Output && l.Out == labels }) {
		return model, nil, err
	}
	head := &pretrained.Head{Labels: labels, Task: nn.Classification}
	if labels == 1 {
		head.Task = nn.Regression
	}
	model, err = pretrained.LoadWith(base, head)
	return model, head, err
}

// merge merges, after it has given every output that is tied to a table of
// which an adapter changes one only a weight of its own, if that is wanted.
func merge(model nn.Model, set *lora.Set, untie bool) error {
	tied := false
	for _, l := range model.Linears() {
		switch {
		case l.Tied == nil || l.Kind == nn.Table || l.W != l.Tied.W || l.Adapter == nil && l.Tied.Adapter == nil:
		case untie:
			l.W = ag.NewVariable(l.Out, l.In, slices.Clone(l.W.Floats()))
			l.Repack()
		default:
			tied = true
		}
	}
	err := set.Merge()
	if err != nil && tied {
		return fmt.Errorf("%w (--untie does so)", err)
	}
	return err
}

// content says in words what a set holds.
func content(set *lora.Set) string {
	biases := 0
	for _, w := range set.Wholes {
		ofModule := slices.ContainsFunc(set.Options.Save, func(m string) bool { return strings.Contains(w.Name, m+".") })
		if strings.HasSuffix(w.Name, ".bias") && !ofModule {
			biases++
		}
	}
	text := fmt.Sprintf("%d maps", len(set.Maps))
	if biases > 0 {
		text += fmt.Sprintf(", %d biases", biases)
	}
	if len(set.Options.Save) > 0 {
		text += ", whole: " + strings.Join(set.Options.Save, ", ")
	}
	return text
}
