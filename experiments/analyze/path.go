package analyze

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/geometry"
)

// path adds the way of one map through the checkpoints of a run, in their
// order: at each but the first how far it has come.
func (s *sheet) path(maps []*Map, names []string) {
	for _, m := range maps {
		if m.missing != nil {
			return
		}
		if m.whole != nil {
			s.note(fmt.Errorf("the change is a full matrix: no path"))
			return
		}
	}
	length := 0.0
	var before geometry.Product
	for i := 1; i < len(maps); i++ {
		s.adapter = names[i]
		step := maps[i].update.Minus(maps[i-1].update)
		norm := step.Norm()
		length += norm
		displacement := maps[i].update.Minus(maps[0].update).Norm()
		s.add("checkpoint_step", norm)
		s.add("checkpoint_path", length)
		s.add("checkpoint_displacement", displacement)
		if length > 0 {
			s.add("checkpoint_efficiency", math.Min(displacement/length, 1))
		}
		if i > 1 {
			s.add("checkpoint_cosine", geometry.Cosine(step, before))
		}
		before = step
	}
}
