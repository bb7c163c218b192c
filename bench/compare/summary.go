package compare

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
)

// means summarises a group by the geometric mean over its best-peer ratios, and
// by how many cells pass, with the worst.
func means(rows []*Row, want float64) iter.Seq2[string, *Row] {
	return func(yield func(string, *Row) bool) {
		mean, n := geometric(rows, xBest)
		check := Check{What: xBest, Want: want, Unknown: true}
		if n > 0 {
			check.Got, check.Unknown = mean, false
		}
		if !yield("geometric mean", &Row{Checks: []Check{check}}) {
			return
		}
		passed, above := 0, 0
		for _, row := range rows {
			if row.Verdict == Pass {
				passed++
			} else if row.Verdict == FallsShort && row.Note != "" {
				above++
			}
		}
		note := worst(rows)
		if above > 0 {
			note = fmt.Sprintf("of %d others the target is above the peak; %s", above, note)
		}
		yield("cells that pass", &Row{
			Checks: []Check{{What: "of cells", Got: float64(passed) / float64(len(rows)), Want: 1, Unknown: n == 0}},
			Note:   note,
		})
	}
}

// geometric is the geometric mean of the values of a check over rows, and how
// many had it.
func geometric(rows []*Row, what string) (mean float64, n int) {
	sum := 0.0
	for _, row := range rows {
		if c, ok := row.check(what); ok {
			sum += math.Log(c.Got)
			n++
		}
	}
	return math.Exp(sum / float64(max(n, 1))), n
}

// worst names the three cells that are furthest behind the better peer.
func worst(rows []*Row) string {
	behind := slices.DeleteFunc(slices.Clone(rows), func(row *Row) bool {
		_, ok := row.check(xBest)
		return !ok || row.Verdict == Pass
	})
	ratio := func(row *Row) float64 {
		c, _ := row.check(xBest)
		return c.Got
	}
	slices.SortFunc(behind, func(a, b *Row) int { return cmp.Compare(ratio(a), ratio(b)) })
	var texts []string
	for _, row := range behind[:min(3, len(behind))] {
		texts = append(texts, fmt.Sprintf("%s %.2f×", row.Name, ratio(row)))
	}
	if len(texts) == 0 {
		return ""
	}
	return "worst: " + strings.Join(texts, ", ")
}

// check returns the check of a figure, if the row has it and it is known.
func (row *Row) check(what string) (Check, bool) {
	for _, c := range row.Checks {
		if c.What == what && !c.Unknown && c.Got > 0 {
			return c, true
		}
	}
	return Check{}, false
}
