package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
)

type convertOptions struct {
	base, out   string
	rank        int
	energy      float64
	force, json bool
}

func newConvertCmd() *cobra.Command {
	var opts convertOptions
	cmd := &cobra.Command{
		Use:   "convert ADAPTER --base BASE -o DIR",
		Short: "Turn an adapter of another kind into plain LoRA",
		Long: `Write into DIR the adapter in the folder ADAPTER as plain LoRA on the model in BASE:
of the change of each weight the largest singular values, --rank of them or as many
as keep --energy of the sum of their squares.

Without either the change itself is kept where it is of low rank: LoRA and rsLoRA,
AdaLoRA and VeRA as they are, PiSSA and OLoRA at twice their rank on the untouched
base. DoRA and HiRA, whose change is a full matrix, need one. An adapter with a
router has no one change.`,
		Args: exactly(1, "the folder of an adapter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rank, energy := cmd.Flags().Changed("rank"), cmd.Flags().Changed("energy")
			switch {
			case opts.base == "":
				return usage(fmt.Errorf("--base is missing: the folder of the model that the adapter belongs to"))
			case rank && energy:
				return usage(fmt.Errorf("--rank and --energy: choose one"))
			case rank && opts.rank < 1:
				return usage(fmt.Errorf("--rank %d: must be at least 1", opts.rank))
			case energy && !(opts.energy > 0 && opts.energy <= 1):
				return usage(fmt.Errorf("--energy %v: must be above 0, at most 1", opts.energy))
			}
			return runConvert(opts, args[0], cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.base, "base", "", "folder of the base model")
	f.StringVarP(&opts.out, "output", "o", "", "folder to write the adapter into")
	f.IntVar(&opts.rank, "rank", 0, "rank of every map, at most")
	f.Float64Var(&opts.energy, "energy", 0, "part of Σσ² that every map keeps: 0.99")
	f.BoolVar(&opts.force, "force", false, "write into a folder that is not empty")
	f.BoolVar(&opts.json, "json", false, "print JSON")
	return cmd
}

// conversionRow is a map as --json prints it.
type conversionRow struct {
	Map      string  `json:"map"`
	Out      int     `json:"out"`
	In       int     `json:"in"`
	Rank     int     `json:"rank"`
	Energy   float64 `json:"energy"`   // kept: Σσ² of what is kept over Σσ² of ΔW
	Residual float64 `json:"residual"` // ‖ΔW − B·A‖/‖ΔW‖
}

func runConvert(opts convertOptions, dir string, out io.Writer) error {
	if err := free(opts.out, opts.force, opts.base, dir); err != nil {
		return usage(err)
	}
	_, set, err := adapted(opts.base, dir)
	if err != nil {
		return usage(err)
	}
	plain, list, err := lora.Convert(set, opts.rank, opts.energy)
	if errors.Is(err, lora.ErrNoRank) {
		err = fmt.Errorf("%w: give --rank or --energy", err)
	}
	if err != nil {
		return usage(fmt.Errorf("%s: %w", dir, err))
	}
	config, weights, err := plain.Files()
	if err != nil {
		return err
	}
	if config, err = described(config, filepath.Join(dir, lora.ConfigFile)); err != nil {
		return usage(err)
	}
	for _, file := range []struct { // the weights first: a folder with a configuration is complete
		name     string
		contents []byte
	}{{lora.WeightsFile, weights}, {lora.ConfigFile, config}} {
		err := record.WriteFile(filepath.Join(opts.out, file.name), func(w io.Writer) error {
			_, err := w.Write(file.contents)
			return err
		})
		if err != nil {
			return err
		}
	}
	rows := make([]conversionRow, len(list))
	for i, c := range list {
		rows[i] = conversionRow{c.Map, c.Out, c.In, c.Rank, c.Energy, c.Residual}
	}
	if opts.json {
		return printJSON(out, rows)
	}
	return printConversion(out, rows, set, plain, opts.out)
}

// described returns a configuration with what that in a file says of the
// adapter beside what it computes: the task, by which PEFT chooses its class,
// and where the base is.
func described(config []byte, path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var from, fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &from); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, err
	}
	for _, key := range []string{"task_type", "base_model_name_or_path", "revision", "auto_mapping"} {
		if v, ok := from[key]; ok {
			fields[key] = v
		}
	}
	var indented bytes.Buffer
	if b, err = json.Marshal(fields); err != nil {
		return nil, err
	}
	err = json.Indent(&indented, b, "", "  ")
	indented.WriteByte('\n')
	return indented.Bytes(), err
}

func printConversion(out io.Writer, rows []conversionRow, set, plain *lora.Set, dir string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MAP\tOUT×IN\tRANK\tENERGY\tRESIDUAL")
	worst := 0.0
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d×%d\t%d\t%.6f\t%.2g\n", r.Map, r.Out, r.In, r.Rank, r.Energy, r.Residual)
		worst = math.Max(worst, r.Residual)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s: plain LoRA of %s, the largest residual %.2g; %d values, %d before\n",
		dir, content(plain), worst, plain.TrainedParameters(), set.TrainedParameters())
	return err
}
