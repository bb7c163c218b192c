package lora

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// A growth is the rows that a set has a tensor of the model grow by: tokens that
// were added to the base's own.
type growth struct {
	tensor string
	rows   []float32
}

// grow has the model grow by what the file has more rows of than the base. PEFT
// saves embeddings and outputs whole where the vocabulary is not the base's.
func (r *reader) grow(model nn.Model) (all []growth, err error) {
	g, ok := model.(nn.Grower)
	if !ok {
		return nil, nil
	}
	for _, l := range model.Linears() {
		if l.Kind != nn.Table && !l.Output {
			continue
		}
		name, ok := r.larger(l)
		if !ok {
			continue
		}
		t, err := r.file.Tensor(name)
		if err != nil {
			return all, err
		}
		grown := growth{tensorOf(model, l), t.Data[l.W.Size():]}
		if err := g.Grow(grown.tensor, grown.rows); err != nil {
			return all, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, grown)
	}
	return all, nil
}

// larger returns the name of the file's tensor that has more rows than the
// weight of l, if there is one.
func (r *reader) larger(l *nn.Linear) (name string, ok bool) {
	for _, module := range []string{l.Name, l.Old} {
		for _, end := range []string{".weight", ".base_layer.weight"} {
			name = modelPrefix + module + end
			if have, ok := r.file.Shape(name); ok && len(have) == 2 && have[1] == l.W.Cols() && have[0] > l.W.Rows() {
				return name, true
			}
		}
	}
	return "", false
}

// tensorOf returns the checkpoint's name of the weight of l.
func tensorOf(model nn.Model, l *nn.Linear) string {
	for _, p := range model.Params() {
		if p.Variable == l.W {
			return p.Name
		}
	}
	return ""
}

// shrink takes off again what the model has grown by.
func shrink(model nn.Model, all []growth) {
	for _, g := range all {
		model.(nn.Grower).Shrink(g.tensor)
	}
}

// grownTensors returns the tensors that have more rows than the base's, whole,
// as PEFT writes them, but for those that are trained whole and so are written
// anyway.
func (s *Set) grownTensors() []pretrained.Tensor {
	g, ok := s.model.(nn.Grower)
	if !ok || len(g.Grown()) == 0 {
		return nil
	}
	whole, adapted := map[string]bool{}, map[*nn.Linear]*adapter.Map{}
	for _, w := range s.Wholes {
		whole[w.Name] = true
	}
	for _, m := range s.Maps {
		adapted[m.Linear] = m
	}
	var tensors []pretrained.Tensor
	for _, l := range s.model.Linears() {
		name := tensorOf(s.model, l)
		if _, ok := g.Grown()[name]; !ok || l.Tied != nil || whole[name] {
			continue
		}
		end := ".weight"
		if adapted[l] != nil {
			end = ".base_layer.weight"
		}
		tensors = append(tensors, pretrained.Tensor{Name: modelPrefix + l.Name + end, Shape: []int{l.W.Rows(), l.W.Cols()}, Data: l.W.Floats()})
	}
	return tensors
}
