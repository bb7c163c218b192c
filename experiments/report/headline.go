package report

import (
	"fmt"
	"math"
	"strings"
)

// headline is the study's answer in a few sentences, as careful as its seeds
// allow.
func headline(methods []*method) []string {
	order := ranked(methods)
	if len(order) == 0 {
		return []string{"No run has finished with a finite held-out loss: there is nothing to compare yet."}
	}
	first := order[0]
	text := fmt.Sprintf("Lowest held-out loss: %s, with a median of %s %s over %s at its best learning rate %s%s.",
		first.label, loss(first.best.median), unitOf(methods...), seeds(first.best), lrText(first.best.lr), spread(first.best))
	if start := before(methods); finite(start) {
		text += fmt.Sprintf(" Before adaptation the base model has %s.", loss(start))
	}
	out := []string{text}
	if s := againstBaseline(order); s != "" {
		out = append(out, s)
	}
	if s := undecided(order); s != "" {
		out = append(out, s)
	}
	if s := bracket(order); s != "" {
		out = append(out, s)
	}
	return out
}

func seeds(r *rate) string { return count(len(r.losses)+len(r.diverged), "seed", "seeds") }

// spread tells the range of the seeds, and those that diverged.
func spread(r *rate) string {
	var parts []string
	if len(r.losses) > 1 {
		parts = append(parts, "seeds "+loss(r.low)+" to "+loss(r.high))
	}
	if n := len(r.diverged); n > 0 {
		parts = append(parts, fmt.Sprintf("%d diverged", n))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// overlap reports whether the ranges of two methods' seeds touch.
func overlap(a, b *rate) bool {
	return a.low <= b.high && b.low <= a.high || len(a.diverged)+len(b.diverged) > 0
}

func single(a, b *rate) bool { return len(a.losses) < 2 || len(b.losses) < 2 }

// againstBaseline tells how far plain lora is from the best, or the second
// best from plain lora.
func againstBaseline(order []*method) string {
	first, other := order[0], (*method)(nil)
	for _, m := range order[1:] {
		if first.Name == baseline && m.Name != baseline || first.Name != baseline && m.Name == baseline {
			other = m
			break
		}
	}
	if other == nil {
		return ""
	}
	gap := other.best.median - first.best.median
	text := fmt.Sprintf("Plain %s reaches %s at its own best learning rate %s, which is %s%s (%s %%) more",
		other.label, loss(other.best.median), lrText(other.best.lr), number(gap), unitOf(order...).noun(), number2(100*gap/math.Abs(first.best.median)))
	if first.Name == baseline {
		text = fmt.Sprintf("That is plain lora itself; the next method, %s, reaches %s at learning rate %s, which is %s%s (%s %%) more",
			other.label, loss(other.best.median), lrText(other.best.lr), number(gap), unitOf(order...).noun(), number2(100*gap/math.Abs(first.best.median)))
	}
	switch {
	case single(first.best, other.best):
		return text + "; with one seed nothing can be said about chance."
	case overlap(first.best, other.best):
		return text + "; the ranges of the two methods' seeds overlap, so this study does not tell them apart."
	}
	return text + fmt.Sprintf("; the ranges of their seeds (%d and %d) do not overlap, which is a hint, not a significance test.", len(first.best.losses), len(other.best.losses))
}

// undecided counts the methods that the seeds do not separate from the best.
func undecided(order []*method) string {
	first, several, near := order[0], 0, 0
	var names []string
	for _, m := range order[1:] {
		if single(first.best, m.best) {
			continue
		}
		several++
		if overlap(first.best, m.best) {
			near++
			names = append(names, m.label)
		}
	}
	if several < 2 { // said by the comparison with plain lora
		return ""
	}
	if near == 0 {
		return fmt.Sprintf("No other method's seeds overlap those of %s.", first.label)
	}
	if len(names) > 4 {
		names = append(names[:4], "…")
	}
	return fmt.Sprintf("The seeds of %d of the %d other methods overlap those of %s: %s.", near, several, first.label, strings.Join(names, ", "))
}

// bracket warns where the best method's optimum, or plain lora's, is an end of the grid.
func bracket(order []*method) string {
	var names []string
	for i, m := range order {
		if m.edge() != "" && (i == 0 || m.Name == baseline) {
			names = append(names, m.label)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("The best learning rate of %s is at an end of the grid: its optimum is not bracketed, and a wider grid may change this comparison.", strings.Join(names, " and of "))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
