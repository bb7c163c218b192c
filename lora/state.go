package lora

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
)

// A State is the values of a set's adapters by name, bit for bit: every factor
// as module.A, as module.A0 and module.B0 the factors whose product was taken
// out of the base, as module.base what stands in the place of W0, as A1, B1, A2 … those whose product was put in, as follow how
// many times it has that of the present factors, and under its own name every
// tensor that is trained whole.
type State map[string][]float32

// State returns a copy of all values.
func (s *Set) State() State {
	st := State{}
	for _, m := range s.Maps {
		for _, f := range m.Factors {
			st[m.Name+"."+f.Name] = slices.Clone(f.Floats())
		}
		for name, t := range heldTensors(m) {
			st[m.Name+"."+name] = slices.Clone(ag.Floats(t))
		}
	}
	for _, w := range s.Wholes {
		st[w.Name] = slices.Clone(w.values())
	}
	return st
}

// follow is the name of how many times a base has the product of the present
// factors.
const follow = "follow"

// heldTensors returns what the base of a map holds beside W0, by the names of a
// State.
func heldTensors(m *adapter.Map) map[string]ag.Tensor {
	all := map[string]ag.Tensor{}
	if w := m.Replaced(); w.Len() > 0 {
		all["base"] = ag.NewVariable(m.Out, m.In, w.All())
	}
	if a, b := m.Start(); a != nil {
		all["A0"], all["B0"] = a, b
	}
	for i, p := range m.Folded() {
		n := strconv.Itoa(i + 1)
		all["A"+n], all["B"+n] = p.A, p.B
	}
	if f := m.Followed(); f != 0 {
		all[follow] = variable(1, 1, []float32{f})
	}
	return all
}

// Restore gives the adapters the values of a state of a set of the same shape,
// and the bases what they held.
func (s *Set) Restore(st State) error {
	if err := s.restoreBase(st); err != nil {
		return err
	}
	return s.restore(st)
}

// restoreBase makes the bases hold what the state says, but for what follows the
// factors.
func (s *Set) restoreBase(st State) error {
	for _, m := range s.Maps {
		if w, ok := st[m.Name+".base"]; ok {
			if len(w) != m.Out*m.In {
				return fmt.Errorf("state: %s.base has %d values: must have %d×%d", m.Name, len(w), m.Out, m.In)
			}
			m.Replace(fewest(m.Out, m.In, w))
		}
		var start adapter.Term
		var folded []adapter.Term
		for k := 0; ; k++ {
			name := m.Name + ".%s" + strconv.Itoa(k)
			a, b := st[fmt.Sprintf(name, "A")], st[fmt.Sprintf(name, "B")]
			if a == nil && b == nil {
				if k == 0 {
					continue
				}
				break
			}
			r := len(a) / m.In
			if r < 1 || len(a) != r*m.In || len(b) != m.Out*r {
				return fmt.Errorf("state: %s.A%d and B%d have %d and %d values: must have r×%d and %d×r", m.Name, k, k, len(a), len(b), m.In, m.Out)
			}
			p := adapter.Term{A: variable(r, m.In, a), B: variable(m.Out, r, b)}
			if k == 0 {
				start = p
			} else {
				folded = append(folded, p)
			}
		}
		if start.A != nil || folded != nil {
			m.Hold(start, folded...)
		}
	}
	return nil
}

// fewest keeps w, out×in, in 4-bit NormalFloat where it was rounded to that, else as it
// is.
func fewest(out, in int, w []float32) ag.Values {
	if once, err := kernels.QuantizeNF4Once(out, in, w, in); err == nil {
		v := ag.Values{Stored: &kernels.Stored{Format: kernels.NF4, Rows: out, Cols: in, NF4: once}}
		if slices.Equal(v.All(), w) {
			return v
		}
	}
	return ag.Values{Floats: slices.Clone(w)}
}

// restore fills the factors. Every value must have its place.
func (s *Set) restore(st State) error {
	left := maps.Clone(st)
	for _, m := range s.Maps {
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
		if x := st[m.Name+"."+follow]; len(x) == 1 {
			m.Follow(x[0])
		}
		for name := range heldTensors(m) {
			delete(left, m.Name+"."+name)
		}
	}
	for _, w := range s.Wholes {
		x, ok := st[w.Name]
		switch {
		case !ok:
			return fmt.Errorf("lora: state: %s %v is missing", w.Name, w.Shape)
		case len(x) != len(w.values()):
			return fmt.Errorf("lora: state: %s has %d values: must have %v", w.Name, len(x), w.Shape)
		}
		copy(w.values(), x)
		delete(left, w.Name)
	}
	if len(left) > 0 {
		return fmt.Errorf("lora: state: %s is unexpected", slices.Min(slices.Collect(maps.Keys(left))))
	}
	return nil
}
