package training

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/machine"
)

// inference compares forward runs of ours with an adapter that is apart with
// the same where it is merged.
func (r *run) inference() error {
	const method = "lora"
	began := false
	for _, s := range r.Shapes {
		if !slices.Contains(r.methods(s), method) {
			continue
		}
		if !began {
			r.begin(compare.Group{
				Name: "inference", Title: "Forward runs on the same batch, the adapter apart beside merged",
				Target: fmt.Sprintf("≤ %g× merged", apartOfMerged),
			})
		}
		began = true
		for _, threads := range r.Threads {
			server, err := r.serve()
			if err != nil {
				return err
			}
			machine.Confine(server.Pid(), threads)
			var f forwards
			err = server.Ask("inference", map[string]any{
				"folder": r.base(s), "shape": s.Name, "method": method, "seed": seed, "threads": threads, "steps": r.Rounds * r.Steps,
			}, &f)
			server.Close()
			if err != nil {
				return err
			}
			apart, merged := side{name: "apart", seconds: f.Apart}, side{name: "merged", seconds: f.Merged}
			row := &compare.Row{
				Name: s.Name + ", " + method, Threads: threads, Unit: "ms",
				Rates:  []compare.Rate{apart.rate(), merged.rate()},
				Checks: []compare.Check{atMost("× merged", apart.rate().Seconds, merged.rate().Seconds, apartOfMerged)},
			}
			row.Judge()
			r.add(row)
		}
	}
	return nil
}
