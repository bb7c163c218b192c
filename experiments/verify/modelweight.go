package verify

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// A weight is a trained tensor under its plain name, as files have its values
// and its gradient.
type weight struct {
	name         string
	values, grad []float32
}

// plain returns the name of a model's tensor without what PEFT puts before and
// around modules, and without ".weight", which it has for magnitudes in one file
// and not in another.
func plain(name string) string {
	if wrapped, ok := strings.CutPrefix(name, "base_model."); ok {
		name = strings.TrimPrefix(wrapped, "model.")
		for _, wrapper := range []string{".modules_to_save.", ".base_layer."} {
			name = strings.Replace(name, wrapper, ".", 1)
		}
	}
	return strings.TrimSuffix(name, ".weight")
}

// modelWeights returns all tensors of a model.
func modelWeights(m nn.Model) []weight {
	var list []weight
	for _, p := range m.Params() {
		list = append(list, weight{plain(p.Path()), p.Stored(p.Floats()), p.Stored(p.GradFloats())})
	}
	return list
}

// adapterWeights returns what a set has trained.
func adapterWeights(s *lora.Set) ([]weight, error) {
	d, ok := s.Method.Delta.(adapter.Stored)
	if !ok {
		return nil, fmt.Errorf("PEFT has no names for method %s", s.Method.Name)
	}
	var list []weight
	for _, m := range s.Maps {
		for _, t := range d.PEFT().Tensors {
			if f := m.Factor(t.Factor); f.Trained {
				name, _ := t.Stored(m.Linear, f.Rows(), f.Cols())
				list = append(list, weight{plain(m.Name + "." + name), f.Floats(), f.GradFloats()})
			}
		}
	}
	for _, w := range s.Wholes {
		list = append(list, weight{plain(w.Path()), w.Stored(w.Floats()), w.Stored(w.GradFloats())})
	}
	return list, nil
}
