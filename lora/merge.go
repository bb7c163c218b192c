package lora

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
)

// kept is what a merged map had before.
type kept struct {
	w0   []float32
	base *ag.Weight
}

// Merge writes W' into the weights of the model and takes the adapters out of
// its forward pass; graphs are to be built anew. The original weights are
// kept. A map that cannot be merged is an error, and then nothing is changed.
func (s *Set) Merge() error {
	if s.merged != nil {
		return errMerged
	}
	var merged [][]float32
	for _, m := range s.Maps {
		w, err := m.Merged()
		if err != nil {
			return fmt.Errorf("lora: %w", err)
		}
		merged = append(merged, w)
	}
	for i, m := range s.Maps {
		s.merged = append(s.merged, kept{m.W0, m.Base})
		// The model's weight is overwritten in place: the map needs its own.
		original := slices.Clone(m.W0)
		if &m.Base.Floats()[0] == &m.W0[0] {
			m.Base = ag.NewWeight(m.Out, m.In, original)
		}
		m.W0 = original
		copy(m.W.Floats(), merged[i])
		m.Repack()
		m.Linear.Adapter = nil
	}
	return nil
}

// Unmerge undoes Merge: every weight is as it was, bit for bit.
func (s *Set) Unmerge() {
	for i, k := range s.merged {
		m := s.Maps[i]
		copy(m.W.Floats(), m.W0)
		m.W0, m.Base = k.w0, k.base
		m.Repack()
		m.Linear.Adapter = m
	}
	s.merged = nil
}
