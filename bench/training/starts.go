package training

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/bench/compare"
)

// keepStart keeps how long each side took from its process's start to the end
// of the first step, on as many threads as there are. Other methods than LoRA may begin with a decomposition of
// every weight, which is no part of a step.
func (t *training) keepStart() {
	if t.method != "lora" {
		return
	}
	row := &compare.Row{Name: t.shape.Name + ", lora", Threads: slices.Max(t.Threads), Unit: "s"}
	for _, s := range t.sides {
		row.Rates = append(row.Rates, compare.Rate{Side: s.name, Seconds: s.first, Rate: s.first})
	}
	row.Checks = []compare.Check{{What: "s to the first step", Got: t.sides[0].first, Want: firstStep, AtMost: true}}
	row.Judge()
	t.run.first = append(t.run.first, row)
}

// starts shows them.
func (r *run) starts() error {
	if len(r.first) == 0 {
		return nil
	}
	r.begin(compare.Group{
		Name: "start", Title: "From the start of the process to the end of the first step, the model in the page cache",
		Target: fmt.Sprintf("≤ %g s", firstStep),
	})
	for _, row := range r.first {
		r.add(row)
	}
	return nil
}
