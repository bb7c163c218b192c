package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lowrank/lowrank/experiments/record"
)

// facts are the study's own followed by what the runs tell: a name that the
// study gives itself is not repeated.
func facts(study Study, methods []*method) []Fact {
	out := slices.Clone(study.Facts)
	for _, f := range runFacts(methods) {
		named := func(o Fact) bool { return strings.EqualFold(o.Name, f.Name) }
		if f.Text != "" && !slices.ContainsFunc(study.Facts, named) {
			out = append(out, f)
		}
	}
	return out
}

func runFacts(methods []*method) []Fact {
	statuses := map[record.Status]int{}
	lrs, seeds, ranks := map[float64]bool{}, map[uint64]bool{}, map[int]bool{}
	machines, versions := map[string]bool{}, map[string]bool{}
	var first, last time.Time
	var training float64
	n := 0
	for _, m := range methods {
		for _, r := range m.runs {
			n++
			statuses[r.Status]++
			lrs[r.LR], seeds[r.Seed], ranks[r.Rank] = true, true, true
			machines[machine(r.Machine)] = true
			for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
				versions[name+" "+strings.TrimPrefix(r.Versions[name], name)] = true
			}
			if !r.Started.IsZero() && (first.IsZero() || r.Started.Before(first)) {
				first = r.Started
			}
			if r.Ended.After(last) {
				last = r.Ended
			}
			if finite(r.Train.Seconds) {
				training += r.Train.Seconds
			}
		}
	}
	delete(machines, "")
	wall := ""
	if !first.IsZero() && last.After(first) {
		wall = duration(last.Sub(first)) + ", from " + first.UTC().Format("2006-01-02 15:04") + " UTC; training alone " + duration(time.Duration(training*float64(time.Second)))
	}
	return []Fact{
		{"Runs", runCounts(n, len(methods), statuses)},
		{"Learning rates", sorted(lrs, lrText)},
		{"Seeds", sorted(seeds, func(s uint64) string { return fmt.Sprint(s) })},
		{"Rank", sorted(ranks, func(r int) string { return fmt.Sprint(r) })},
		{"Machine", strings.Join(slices.Sorted(maps.Keys(machines)), "; ")},
		{"Versions", strings.Join(slices.Sorted(maps.Keys(versions)), ", ")},
		{"Wall time", wall},
	}
}

func runCounts(n, methods int, statuses map[record.Status]int) string {
	var parts []string
	for _, s := range []record.Status{record.Done, record.Diverged, record.Failed, record.Cancelled, record.Running} {
		if statuses[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", statuses[s], s))
		}
	}
	text := count(n, "run", "runs") + " of " + count(methods, "method", "methods")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

func sorted[T cmp.Ordered](set map[T]bool, text func(T) string) string {
	var out []string
	for _, v := range slices.Sorted(maps.Keys(set)) {
		out = append(out, text(v))
	}
	return strings.Join(out, ", ")
}

func machine(m record.Machine) string {
	var parts []string
	if m.CPU != "" {
		parts = append(parts, m.CPU)
	}
	if m.Cores > 0 {
		parts = append(parts, count(m.Cores, "core", "cores"))
	}
	if m.MemoryBytes > 0 {
		parts = append(parts, fmt.Sprintf("%.0f GiB", float64(m.MemoryBytes)/(1<<30)))
	}
	if m.SIMD != "" {
		parts = append(parts, m.SIMD)
	}
	if m.OS != "" {
		parts = append(parts, m.OS+"/"+m.Arch)
	}
	return strings.Join(parts, ", ")
}
