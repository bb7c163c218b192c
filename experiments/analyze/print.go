package analyze

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// A column of the table of one adapter.
type column struct{ title, metric string }

var (
	aloneColumns = []column{{"‖ΔW‖", "frobenius_norm"}, {"σ₁", "spectral_norm"}, {"EFF.RANK", "effective_rank"}, {"STABLE", "stable_rank"},
		{"95 %", "energy_rank_95"}, {"COND.A", "condition_a"}, {"COND.B", "condition_b"}, {"BALANCE", "balance"}}
	againstColumns = []column{{"‖ΔW‖/‖W0‖", "relative_norm"}, {"AMPLIFIED", "amplification"}, {"INTRUDERS", "intruders"}, {"UNDECIDED", "intruders_undecided"},
		{"TOP LEFT", "overlap_top_left"}, {"TOP RIGHT", "overlap_top_right"}, {"BOTTOM LEFT", "overlap_bottom_left"}, {"BOTTOM RIGHT", "overlap_bottom_right"}}
	betweenColumns = []column{{"COSINE", "cosine"}, {"OVERLAP LEFT", "overlap_left"}, {"RIGHT", "overlap_right"}, {"INTERFERENCE", "interference"}}
	pathColumns    = []column{{"STEP", "checkpoint_step"}, {"PATH", "checkpoint_path"}, {"DISPLACEMENT", "checkpoint_displacement"},
		{"EFFICIENCY", "checkpoint_efficiency"}, {"COSINE", "checkpoint_cosine"}}
)

// Print writes the values as tables: one an adapter with a row a map, and for
// several adapters one of the medians over their maps.
func (r *Report) Print(out io.Writer) error {
	values := r.index()
	for _, a := range r.Adapters {
		fmt.Fprintf(out, "%s: %s, %d maps\n", a.Short, a.Method, len(a.Maps))
		if err := a.print(out, values, aloneColumns); err != nil {
			return err
		}
		if r.Base {
			fmt.Fprintf(out, "\n%s against the base\n", a.Short)
			if err := a.print(out, values, againstColumns); err != nil {
				return err
			}
		}
		fmt.Fprintln(out)
	}
	if len(r.Adapters) > 1 {
		fmt.Fprintln(out, "medians over maps, between adapters")
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprint(w, "ADAPTER\tOTHER")
		for _, c := range betweenColumns {
			fmt.Fprint(w, "\t", c.title)
		}
		fmt.Fprintln(w)
		for i, a := range r.Adapters {
			for _, b := range r.Adapters[i+1:] {
				fmt.Fprintf(w, "%s\t%s", a.Short, b.Short)
				for _, c := range betweenColumns {
					fmt.Fprint(w, "\t", text(values.median(a.Name, b.Name, c.metric)))
				}
				fmt.Fprintln(w)
			}
		}
		fmt.Fprintln(w)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if r.Checkpoints {
		fmt.Fprintln(out, "medians over maps, from checkpoint to checkpoint")
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprint(w, "CHECKPOINT")
		for _, c := range pathColumns {
			fmt.Fprint(w, "\t", c.title)
		}
		fmt.Fprintln(w)
		for _, a := range r.Adapters[1:] {
			fmt.Fprint(w, a.Short)
			for _, c := range pathColumns {
				fmt.Fprint(w, "\t", text(values.median(a.Name, "", c.metric)))
			}
			fmt.Fprintln(w)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return r.printNotes(out)
}

// print writes a row a map, and their medians.
func (a *Adapter) print(out io.Writer, values index, columns []column) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "MAP\tOUT×IN\tRANK")
	for _, c := range columns {
		fmt.Fprint(w, "\t", c.title)
	}
	fmt.Fprintln(w)
	for _, m := range a.Maps {
		fmt.Fprintf(w, "%s\t%d×%d\t%d", m.Name, m.Out, m.In, m.Rank)
		for _, c := range columns {
			fmt.Fprint(w, "\t", text(values.of(a.Name, "", m.Name, c.metric)))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "median\t\t")
	for _, c := range columns {
		fmt.Fprint(w, "\t", text(values.median(a.Name, "", c.metric)))
	}
	fmt.Fprintln(w)
	return w.Flush()
}

// printNotes writes each reason once, with how many maps it holds for.
func (r *Report) printNotes(out io.Writer) error {
	for _, n := range r.reasons() {
		if _, err := fmt.Fprintln(out, n); err != nil {
			return err
		}
	}
	return nil
}

// reasons are the notes, those with one text together.
func (r *Report) reasons() []string {
	var texts []string
	count := map[string]int{}
	first := map[string]Note{}
	for _, n := range r.Notes {
		if count[n.Text] == 0 {
			texts, first[n.Text] = append(texts, n.Text), n
		}
		count[n.Text]++
	}
	var list []string
	for _, t := range texts {
		what := first[t].Module
		if n := count[t]; n > 1 {
			what = fmt.Sprintf("%s and %d more", what, n-1)
		}
		list = append(list, what+": "+t)
	}
	return list
}

// text is a value in three digits.
func text(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 1):
		return "∞"
	case v != 0 && math.Abs(v) < 1e6 && math.Abs(v) >= 1e-3:
		digits := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
		v = math.Round(v*digits) / digits
	}
	return chart.Number(v)
}
