package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/lora/probe"
)

type metricsOptions struct{ json bool }

func newMetricsCmd() *cobra.Command {
	var opts metricsOptions
	cmd := &cobra.Command{
		Use:   "metrics [NAME]",
		Short: "List the instruments: definition, source, unit, range, invariances, cost, tier",
		Long: `List what a run measures of every adapter. A configuration says how often each tier
is measured, in steps or at checkpoints:

  probe: {tier0: 1, tier1: 10, tier2: 100, tier3: checkpoints}

GAUGE says whether a value stays where A becomes M·A and B becomes B·M⁻¹, SCALE what
it is multiplied by where the scaling s becomes c·s, ALL how the values of maps become
one of a block, of a kind of map and of the model.`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error { return runMetrics(opts, args, cmd.OutOrStdout()) },
	}
	cmd.Flags().BoolVar(&opts.json, "json", false, "print JSON")
	return cmd
}

// metricRow is an instrument as --json prints it.
type metricRow struct {
	Name       string `json:"name"`
	Numbered   bool   `json:"numbered"` // the name is followed by 1, 2, …
	Tier       int    `json:"tier"`
	Unit       string `json:"unit"`
	Range      string `json:"range"`
	Gauge      string `json:"gauge"`
	Rescaling  string `json:"rescaling"`
	Aggregate  string `json:"aggregate"` // "": none
	Cost       string `json:"cost"`
	Definition string `json:"definition"`
	Source     string `json:"source"`
}

func runMetrics(opts metricsOptions, args []string, out io.Writer) error {
	var rows []metricRow
	for _, m := range probe.Metrics() {
		rows = append(rows, metricRow{m.Name, m.Many, m.Tier, m.Unit, m.Range, string(m.Gauge), string(m.Rescaling), string(m.Aggregate), m.Cost, m.Definition, m.Source})
	}
	if len(args) == 1 {
		rows = slices.DeleteFunc(rows, func(r metricRow) bool { return r.Name != args[0] })
		if len(rows) == 0 {
			return usage(fmt.Errorf("no metric is called %q: see lowrank metrics", args[0]))
		}
	}
	if opts.json {
		return printJSON(out, rows)
	}
	slices.SortStableFunc(rows, func(a, b metricRow) int { return a.Tier - b.Tier })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIER\tNAME\tUNIT\tRANGE\tGAUGE\tSCALE\tALL\tCOST\tDEFINITION\tSOURCE")
	for _, r := range rows {
		name := r.Name
		if r.Numbered {
			name += "1…"
		}
		gauge, _, _ := strings.Cut(r.Gauge, " ")
		fmt.Fprintln(w, strings.Join([]string{fmt.Sprint(r.Tier), name, r.Unit, r.Range, gauge, r.Rescaling, r.Aggregate, r.Cost, r.Definition, r.Source}, "\t"))
	}
	return w.Flush()
}
