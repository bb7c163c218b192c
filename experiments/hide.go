package experiments

import (
	"fmt"
	"math/rand/v2"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
)

// hide chooses 15 % of the tokens that may be hidden, writes the mask in the
// place of eight in ten of them and any token in that of one in ten, and has
// the loss count no others. It returns how many there are; ids and labels may
// be nil.
func (s *shelf) hide(e *example, rng *rand.Rand, ids, labels []int32) int {
	hidden := 0
	for i, label := range e.labels {
		if label < 0 {
			continue
		}
		chosen, how, other := rng.Float64() < 0.15, rng.Float64(), rng.IntN(s.words.size)
		if chosen {
			hidden++
		}
		switch {
		case ids == nil:
		case !chosen:
			labels[i] = nn.Ignored
		case how < 0.8:
			ids[i] = s.words.mask
		case how < 0.9:
			ids[i] = int32(other)
		}
	}
	return hidden
}

// random returns the random numbers of a place of a stream, for the tasks that
// need any.
func (s *shelf) random(seed uint64, stream string, place int) *rand.Rand {
	if s.task != MaskedLM {
		return nil
	}
	return data.Stream(seed, fmt.Sprintf("%s/mask/%d", stream, place))
}
