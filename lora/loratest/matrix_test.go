package loratest

import (
	"regexp"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
)

// rows returns the rows of the table whose parts in a slot differ from each
// other.
func rows(of func(lora.Recipe) string) (names []string) {
	seen := map[string]bool{}
	for _, m := range lora.Methods() {
		if name := of(m.PartRows()); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// refusal is how a composition is refused: by what a part needs.
var refusal = regexp.MustCompile(`^lora: \S+ \S+ needs .+(, which \S+ \S+ does not provide|, but update \S+ freezes \S+)$`)

// Any initializer with any update rule on any delta, any schedule with any rule
// and delta, and any router with any start and delta: each either trains 30 steps
// and lowers the loss, or is refused for what a part needs.
func TestMatrix(t *testing.T) {
	deltas := rows(func(r lora.Recipe) string { return r.Delta })
	inits := rows(func(r lora.Recipe) string { return r.Init })
	updates := rows(func(r lora.Recipe) string { return r.Update })
	schedules := rows(func(r lora.Recipe) string { return r.Rank })
	routers := rows(func(r lora.Recipe) string { return r.Router })
	var cells []lora.Recipe
	for _, d := range deltas {
		for _, i := range inits {
			for _, u := range updates {
				cells = append(cells, lora.Recipe{Delta: d, Init: i, Update: u})
			}
			for _, r := range routers {
				cells = append(cells, lora.Recipe{Delta: d, Init: i, Router: r})
			}
		}
		for _, s := range schedules {
			for _, u := range updates {
				cells = append(cells, lora.Recipe{Delta: d, Update: u, Rank: s})
			}
		}
	}
	reasons := map[string]int{}
	trained := 0
	for _, r := range cells {
		m, err := lora.Compose(r)
		if err != nil {
			if !refusal.MatchString(err.Error()) {
				t.Errorf("%+v is refused by: %v", r, err)
			}
			reasons[strings.Replace(err.Error(), "lora: ", "", 1)]++
			continue
		}
		trained++
		if err := lowers(m); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	t.Logf("%d compositions: %d train, %d are refused, for %d reasons", len(cells), trained, len(cells)-trained, len(reasons))
	for reason, n := range reasons {
		t.Logf("%4d  %s", n, reason)
	}
	if trained < len(cells)/3 {
		t.Errorf("of %d compositions %d train only", len(cells), trained)
	}
}

// lowers trains 30 steps, at a rate that is small for every rule; where that is too
// small to see, at a larger one; and where both factors start so small that a rule
// which divides by them goes far, at a smaller one.
func lowers(m lora.Method) error {
	s := small(30)
	var start, end float32
	for _, rate := range []float64{1e-3, 3e-2, 1, 1e-4} {
		r, err := s.regress(m, nil)
		if err != nil {
			return err
		}
		start = ag.Floats(r.loss)[0]
		for range s.steps {
			if err := r.step(rate); err != nil {
				return err
			}
		}
		r.tape.Replay()
		if end = ag.Floats(r.loss)[0]; end < start && end >= 0 {
			return nil
		}
	}
	return errorf("the loss goes from %v to %v", start, end)
}
