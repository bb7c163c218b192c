package compare

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteMachine writes what was measured of the machine and who was there.
func WriteMachine(w io.Writer, rep *Report) {
	fmt.Fprintf(w, "%s, %d cores, L1 %s, L2 %s, L3 %s; %s\n", rep.CPU.Brand, rep.CPU.Cores, size(rep.CPU.L1D), size(rep.CPU.L2), size(rep.CPU.L3), rep.Go)
	for _, p := range rep.Peers {
		if p.Missing != "" {
			fmt.Fprintln(w, p.Missing)
		} else {
			fmt.Fprintln(w, p.Version)
		}
	}
	for _, p := range rep.Machine.Peaks {
		fmt.Fprintf(w, "peak %-8s %2d threads %8.1f GFLOP/s\n", p.Level, p.Threads, p.GFLOPS)
	}
	for _, b := range rep.Machine.Bandwidths {
		if b.Place == "" {
			continue
		}
		fmt.Fprintf(w, "%-6s %8s %2d threads   copy %6.1f GB/s", b.Place, size(b.Bytes), b.Threads, b.Copy)
		if b.Triad > 0 {
			fmt.Fprintf(w, "   triad %6.1f GB/s", b.Triad)
		}
		fmt.Fprintln(w)
	}
}

func size(bytes int) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%g MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%g KiB", float64(bytes)/(1<<10))
}

// WriteGroup writes the head of a group's rows.
func WriteGroup(w io.Writer, g Group) {
	fmt.Fprintf(w, "\n%s (%s). Target: %s.\n", g.Title, g.Name, g.Target)
	if g.Brief {
		fmt.Fprintln(w, "The JSON has all cells.")
	}
}

// WriteRow writes a row as one line. In a brief group a cell is left out unless
// it is wrong.
func WriteRow(w io.Writer, g Group, row *Row) {
	if g.Brief && len(row.Rates) > 0 && row.Verdict != Differs {
		return
	}
	parts := []string{pad(row.Name, 32), pad(row.Level, 7), pad(fmt.Sprintf("%d thr", row.Threads), 6)}
	for _, r := range row.Rates {
		width := len(r.Side) + 7
		text := fmt.Sprintf("%s %.*f", r.Side, decimals(r.Rate), r.Rate)
		if r.Spread > 0 {
			text, width = fmt.Sprintf("%s ±%.0f%%", text, 50*r.Spread), width+5
		}
		parts = append(parts, pad(text, width))
	}
	if row.Unit != "" {
		parts = append(parts, row.Unit)
	}
	for _, c := range row.Checks {
		parts = append(parts, pad(c.String(), 16))
	}
	parts = append(parts, string(row.Verdict))
	if row.Note != "" {
		parts = append(parts, row.Note)
	}
	fmt.Fprintln(w, strings.TrimRight(strings.Join(parts, "  "), " "))
}

// decimals keep three digits of a rate.
func decimals(rate float64) int {
	if rate >= 10 {
		return 1
	}
	return 2
}

// String returns the figure and, where it is not as it should be, what it
// should be.
func (c Check) String() string {
	if c.Unknown {
		return "? " + c.What
	}
	text := fmt.Sprintf("%.3f %s", c.Got, c.What)
	if c.AtMost && c.Want < 0.01 { // a difference, of which the power of ten tells
		text = fmt.Sprintf("%.2g %s", c.Got, c.What)
	}
	if unit, ok := strings.CutPrefix(c.What, "× "); ok {
		text = fmt.Sprintf("%.2f× %s", c.Got, unit)
	}
	if c.OK() {
		return text
	}
	if c.AtMost {
		return fmt.Sprintf("%s (≤ %.4g)", text, c.Want)
	}
	return fmt.Sprintf("%s (≥ %.3g)", text, c.Want)
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// WriteEnd writes how many rows came to what, and whether the machine was quiet
// enough to believe them.
func WriteEnd(w io.Writer, rep *Report) {
	count := map[Verdict]int{}
	for _, row := range rep.Rows {
		count[row.Verdict]++
	}
	fmt.Fprintf(w, "\n%d rows pass, %d fall short", count[Pass], count[FallsShort])
	if n := count[NotKnown]; n > 0 {
		fmt.Fprintf(w, ", %d are not known", n)
	}
	if n := count[Differs]; n > 0 {
		fmt.Fprintf(w, ", %d have results that differ", n)
	}
	fmt.Fprintln(w, ".")
	for _, p := range rep.Machine.Peaks {
		if p.Busy > 0.1 {
			fmt.Fprintf(w, "The machine was busy with other work: %.0f %% of the measurements of the peak of %s on %d %s are more than a tenth below the best.\n",
				100*p.Busy, p.Level, p.Threads, plural(p.Threads, "thread"))
		}
	}
}
