package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/lora/nearest"
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

Of one metric, gauge says whether its value stays where A becomes M·A and B becomes
B·M⁻¹, rescaling what it is multiplied by where the scaling s becomes c·s, aggregate
how the values of maps become one of a block, of a kind of map and of the model, and
cost is in floating-point operations a map.`,
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
		var names []string
		for _, r := range rows {
			names = append(names, r.Name)
		}
		rows = slices.DeleteFunc(rows, func(r metricRow) bool {
			return r.Name != args[0] && !(r.Numbered && r.Name == strings.TrimRight(args[0], "0123456789"))
		})
		if len(rows) == 0 {
			return usage(fmt.Errorf("no metric is called %q; the nearest is %s: see lowrank metrics", args[0], nearest.First(args[0], names)[0]))
		}
	}
	if opts.json {
		return printJSON(out, rows)
	}
	if len(args) == 1 {
		return printMetric(out, rows[0])
	}
	return printTiers(out, rows)
}

// tierTitles say what a tier holds.
var tierTitles = []string{"norms and the step", "spectra and the equivalent gradient", "what needs the probe batch or W0", "what needs many passes"}

// printTiers lists the names, tier by tier, with what they are.
func printTiers(out io.Writer, rows []metricRow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for tier, title := range tierTitles {
		fmt.Fprintf(w, "tier %d: %s\n", tier, title)
		for _, r := range rows {
			if r.Tier == tier {
				fmt.Fprintf(w, "  %s\t%s\t%s\n", r.shown(), r.Unit, r.Definition)
			}
		}
	}
	fmt.Fprintln(w, "\nlowrank metrics NAME shows all that is known of one, --json of all.")
	return w.Flush()
}

// printMetric shows all that is known of a metric.
func printMetric(out io.Writer, r metricRow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, field := range [][2]string{
		{"name", r.shown()}, {"definition", r.Definition}, {"source", r.Source}, {"unit", r.Unit}, {"range", r.Range},
		{"gauge", r.Gauge}, {"rescaling", r.Rescaling}, {"aggregate", r.Aggregate}, {"cost", r.Cost}, {"tier", fmt.Sprint(r.Tier)},
	} {
		if field[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", field[0], field[1])
		}
	}
	return w.Flush()
}

// shown is the name, with where its numbers begin.
func (r metricRow) shown() string {
	if r.Numbered {
		return r.Name + "1…"
	}
	return r.Name
}
