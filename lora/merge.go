package lora

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// kept is what a merged map had before.
type kept struct {
	base   *ag.Weight
	bias   []float32
	weight ag.Values // of a weight in fewer bits than float32
}

// Merge writes W' into the weights of the model and takes the adapters out of
// its forward pass; graphs are to be built anew. The original weights are
// kept. A weight in fewer bits, NF4 for instance, is decoded for it: the merged one
// is the sum in float32, which is not rounded again, so that the merged model
// computes what the adapted one does, and takes the memory of float32. A map that cannot be merged is an error, and then nothing is changed:
// one with a router, and one whose weight is another's too, an embedding or the
// output that is tied to it.
func (s *Set) Merge() error {
	if err := s.checkTies(); err != nil {
		return err
	}
	return s.merge()
}

// MergeShared is Merge as PEFT does it: where a weight is another map's too, that
// one gets what is merged as well, and computes something else than with the
// adapters apart. Of several adapted maps with one weight it gets the sum of the
// changes.
func (s *Set) MergeShared() error { return s.merge() }

func (s *Set) merge() error {
	if s.merged != nil {
		return errMerged
	}
	var merged, biases [][]float32
	for _, m := range s.Maps {
		w, err := m.Merged()
		if err != nil {
			return fmt.Errorf("lora: %w", bare{err})
		}
		b, err := m.MergedBias()
		if err != nil {
			return fmt.Errorf("lora: %w", bare{err})
		}
		merged, biases = append(merged, w), append(biases, b)
	}
	for i, m := range s.Maps {
		k := kept{base: m.Base}
		if v := m.W.Values(); v.Stored != nil {
			k.weight = v
		}
		if m.Bias != nil {
			k.bias = slices.Clone(m.Bias.Floats())
			copy(m.Bias.Floats(), biases[i])
		}
		s.merged = append(s.merged, k)
		m.KeepW0() // the model's weight is overwritten in place
	}
	written := map[*ag.Variable]bool{}
	for i, m := range s.Maps {
		if written[m.W] { // on what another map has made of it
			w := m.Weight()
			for j, x := range m.W0() {
				merged[i][j] += w[j] - x
			}
		}
		written[m.W] = true
		m.SetWeight(merged[i])
		m.Linear.Adapter = nil
	}
	s.repackTied()
	return nil
}

// repackTied drops the packed forms of weights that have changed under another
// name.
func (s *Set) repackTied() {
	for _, l := range s.model.Linears() {
		if l.Tied != nil {
			l.Repack()
			l.Tied.Repack()
		}
	}
}

// Unmerge undoes Merge: every weight is as it was, bit for bit.
func (s *Set) Unmerge() {
	for i, k := range s.merged {
		m := s.Maps[i]
		if k.weight.Stored != nil {
			m.W.SetValues(k.weight)
			m.Repack()
		} else {
			m.SetWeight(m.W0())
		}
		if m.Bias != nil {
			copy(m.Bias.Floats(), k.bias)
		}
		m.Base = k.base
		m.Linear.Adapter = m
	}
	s.repackTied()
	s.merged = nil
}

// checkTies refuses a map whose weight another one has too.
func (s *Set) checkTies() error {
	if a, b := s.Tied(); a != "" {
		return nn.Unsupported(fmt.Errorf("lora: %s and %s are one tensor, of which an adapter changes one only: untie the base first", a, b))
	}
	return nil
}

// Tied returns the names of an adapted map and of another one that has the same
// tensor of the base, which the adapter does not change there; two empty names,
// where there are none. It cannot be merged without untying them.
func (s *Set) Tied() (a, b string) {
	adapted := map[*nn.Linear]bool{}
	for _, m := range s.Maps {
		adapted[m.Linear] = true
	}
	for _, l := range s.model.Linears() {
		if l.Tied != nil && l.W == l.Tied.W && (adapted[l] || adapted[l.Tied]) {
			return l.Name, l.Tied.Name
		}
	}
	return "", ""
}
