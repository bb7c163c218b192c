package lora

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lowrank/lowrank/ag"
)

// A State is the values of a set's adapters by name, bit for bit: every factor
// as module.A, as module.A0 and module.B0 the factors whose product was taken
// out of the base, and under its own name every tensor that is trained whole.
type State map[string][]float32

// State returns a copy of all values.
func (s *Set) State() State {
	st := State{}
	for _, m := range s.Maps {
		for _, f := range m.Factors {
			st[m.Name+"."+f.Name] = slices.Clone(f.Floats())
		}
		if a, b := m.Start(); a != nil {
			st[m.Name+".A0"] = slices.Clone(ag.Floats(a))
			st[m.Name+".B0"] = slices.Clone(ag.Floats(b))
		}
	}
	for _, w := range s.Wholes {
		st[w.Name] = slices.Clone(w.values())
	}
	return st
}

// restoreBase takes out of the bases what the state says.
func (s *Set) restoreBase(st State) error {
	for _, m := range s.Maps {
		a, b := st[m.Name+".A0"], st[m.Name+".B0"]
		if a == nil && b == nil {
			continue
		}
		if len(a) != m.Rank*m.In || len(b) != m.Out*m.Rank {
			return fmt.Errorf("lora: state: %s.A0 and B0 have %d and %d values: must have %d×%d and %d×%d", m.Name, len(a), len(b), m.Rank, m.In, m.Out, m.Rank)
		}
		m.OffsetBy(variable(m.Rank, m.In, a), variable(m.Out, m.Rank, b))
	}
	return nil
}

// restore fills the factors. Every value must have its place.
func (s *Set) restore(st State) error {
	left := maps.Clone(st)
	for _, m := range s.Maps {
		delete(left, m.Name+".A0")
		delete(left, m.Name+".B0")
		for _, f := range m.Factors {
			name := m.Name + "." + f.Name
			x, ok := st[name]
			switch {
			case !ok:
				return fmt.Errorf("lora: state: %s, %d×%d, is missing", name, f.Rows(), f.Cols())
			case len(x) != f.Rows()*f.Cols():
				return fmt.Errorf("lora: state: %s has %d values: must have %d×%d", name, len(x), f.Rows(), f.Cols())
			}
			copy(f.Floats(), x)
			delete(left, name)
		}
	}
	for _, w := range s.Wholes {
		x, ok := st[w.Name]
		switch {
		case !ok:
			return fmt.Errorf("lora: state: %s %v is missing", w.Name, w.Shape)
		case len(x) != len(w.own):
			return fmt.Errorf("lora: state: %s has %d values: must have %v", w.Name, len(x), w.Shape)
		}
		copy(w.own, x)
		delete(left, w.Name)
	}
	if len(left) > 0 {
		return fmt.Errorf("lora: state: %s is unexpected", slices.Min(slices.Collect(maps.Keys(left))))
	}
	return nil
}
