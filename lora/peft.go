package lora

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// The files of an adapter's folder, by PEFT's names.
const (
	ConfigFile  = "adapter_config.json"
	WeightsFile = "adapter_model.safetensors"
)

const (
	modelPrefix  = "base_model.model."
	sharedPrefix = "base_model."

	// ownType is the peft_type of what PEFT has no type for: maps with a
	// router, trained weights, or ranks that PEFT's type cannot tell apart.
	// Its "method" is a [Recipe], its tensors are a [State] after PEFT's prefix.
	ownType = "LOWRANK"
)

// Files returns the contents of [ConfigFile] and [WeightsFile], in PEFT's form
// where PEFT has a type for the method. What the bases hold, of a start that was
// taken out and of what was folded in, is written beside the factors, as adapters
// of a higher rank on the base as it is:
//
//	A' = [A; A0; A1 …]    B' = [B, −B0, B1 …]    s' = s
func (s *Set) Files() (config, weights []byte, err error) {
	fields, tensors, err := s.contents()
	if err != nil {
		return nil, nil, err
	}
	if config, err = json.MarshalIndent(fields, "", "  "); err != nil {
		return nil, nil, fmt.Errorf("lora: %w", bare{err})
	}
	var b bytes.Buffer
	metadata := map[string]string{baseKey: s.baseHash()}
	if format := formatOf(s.model); format != "" {
		metadata[formatKey] = format
	}
	err = pretrained.WriteSafetensors(&b, tensors, metadata)
	return append(config, '\n'), b.Bytes(), err
}

// contents returns the fields of the configuration and the tensors.
func (s *Set) contents() (map[string]any, []pretrained.Tensor, error) {
	if d, ok := s.Method.Delta.(adapter.Stored); ok && s.Method.Router == nil {
		if fields, ok := s.peftConfig(d); ok {
			return fields, slices.Concat(s.peftTensors(d.PEFT()), s.wholeTensors(), s.grownTensors()), nil
		}
	}
	if s.Method.recipe.Method == "" {
		return nil, nil, fmt.Errorf("lora: method %s was not composed from the table: its files could not be read back", s.Method.Name)
	}
	fields := s.commonConfig()
	fields["peft_type"] = ownType
	fields["method"] = s.Method.recipe
	fields["r"], fields["lora_alpha"] = s.Options.Rank, s.Options.Alpha
	fields["rank_pattern"], fields["alpha_pattern"] = s.Options.RankPattern, s.Options.AlphaPattern
	fields[dropoutKey(nil)] = s.Options.Dropout
	return fields, slices.Concat(s.ownTensors(), s.wholeTensors(), s.grownTensors()), nil
}

func (s *Set) commonConfig() map[string]any {
	var names []string
	for _, m := range s.Maps {
		names = append(names, m.Name)
	}
	return map[string]any{
		"base_model_name_or_path": nil, "task_type": nil, "inference_mode": true,
		"target_modules": names, "modules_to_save": s.Options.Save, "bias": s.bias(""),
	}
}

// bias returns PEFT's word for the biases that are trained, in a type that
// calls those of the adapted maps own.
func (s *Set) bias(own string) Biases {
	switch s.Options.Bias {
	case "", NoBiases:
		return NoBiases
	case AdaptedBiases:
		return Biases(strings.ToLower(own)) + "_only"
	}
	return s.Options.Bias
}

// baseHash returns the hash of the base, which is kept: it does not change.
func (s *Set) baseHash() string {
	if s.hash == "" {
		s.hash = BaseHash(s.model, s.Wholes)
	}
	return s.hash
}

// wholeTensors returns the tensors that are trained whole.
func (s *Set) wholeTensors() []pretrained.Tensor {
	var tensors []pretrained.Tensor
	for _, w := range s.Wholes {
		tensors = append(tensors, pretrained.Tensor{Name: modelPrefix + w.stored, Shape: w.Shape, Data: w.Stored(w.values())})
	}
	return tensors
}

// peftConfig returns PEFT's configuration, or false where it cannot tell the
// ranks or alphas of these maps.
func (s *Set) peftConfig(d adapter.Stored) (map[string]any, bool) {
	l := d.PEFT()
	if l.OwnStart && ownStart(d) != s.Method.Initial {
		return nil, false
	}
	fields := s.commonConfig()
	maps.Copy(fields, l.Config)
	if slices.ContainsFunc(s.Maps, func(m *adapter.Map) bool { return m.Replaced().Len() > 0 }) {
		start, ok := s.Method.Initial.(adapter.RemadeStart)
		if !ok || l.Type != "LORA" {
			return nil, false
		}
		keys, ok := start.Stored()
		if !ok {
			return nil, false
		}
		maps.Copy(fields, keys)
	}
	fields["peft_type"], fields["bias"] = l.Type, s.bias(l.Type)
	if key := dropoutKey(&l); key != "" {
		fields[key] = s.Options.Dropout
	}
	if _, ok := fields["fan_in_fan_out"]; ok {
		fields["fan_in_fan_out"] = slices.ContainsFunc(s.Maps, func(m *adapter.Map) bool { return m.FanInFanOut })
	}
	ranks, alphas := map[string]int{}, map[string]float64{}
	rank, alpha := s.stored(d, s.Maps[0])
	for _, m := range s.Maps {
		r, a := s.stored(d, m)
		if r != rank {
			ranks[m.Name] = r
		}
		if a != alpha {
			alphas[m.Name] = a
		}
	}
	fields[l.Rank] = rank
	if l.Alpha != "" {
		fields[l.Alpha] = alpha
	}
	if l.Ranks != "" {
		fields[l.Ranks] = ranks
	} else if len(ranks) > 0 {
		return nil, false
	}
	if l.Alphas != "" {
		fields[l.Alphas] = alphas
	} else if l.Alpha != "" && len(alphas) > 0 {
		return nil, false
	}
	return fields, true
}

// ownStart returns the start of the row of a delta.
func ownStart(d adapter.Delta) adapter.Initializer {
	for _, row := range table {
		if reflect.TypeOf(row.Delta) == reflect.TypeOf(d) {
			return row.Initial
		}
	}
	return nil
}

// stored returns the rank that a map has in the file, and the alpha that gives
// its scaling at that rank.
func (s *Set) stored(d adapter.Stored, m *adapter.Map) (rank int, alpha float64) {
	alpha, _ = ofPattern(s.Options.AlphaPattern, m.Name, s.Options.Alpha) // compiled by Inject
	rank = m.Rank
	for _, h := range storedTerms(m, d.PEFT()) {
		rank += h.Rank()
	}
	if rank != m.Rank {
		alpha *= d.Scaling(1, m.Rank) / d.Scaling(1, rank)
	}
	return rank, alpha
}

// peftTensors returns the factors of all maps under PEFT's names.
func (s *Set) peftTensors(l adapter.Layout) []pretrained.Tensor {
	var tensors []pretrained.Tensor
	shared := map[string]pretrained.Tensor{}
	for _, m := range s.Maps {
		for _, t := range l.Tensors {
			x := stack(m, t, storedTerms(m, l))
			if t.Shared { // the largest is the one that the others are corners of
				name := sharedPrefix + t.Name
				if len(x.Data) > len(shared[name].Data) {
					x.Name = name
					shared[name] = x
				}
				continue
			}
			x.Name = modelPrefix + m.Name + "." + x.Name
			tensors = append(tensors, x)
		}
	}
	for _, x := range shared {
		tensors = append(tensors, x) // the writer sorts
	}
	return tensors
}

// storedTerms returns what the base holds that is stored: all but a start that the
// type implies.
func storedTerms(m *adapter.Map, l adapter.Layout) []adapter.Term {
	if l.OwnStart {
		return m.Folded()
	}
	return m.Held()
}

// stack returns a factor with terms behind it.
func stack(m *adapter.Map, t adapter.Tensor, terms []adapter.Term) pretrained.Tensor {
	f := m.Factor(t.Factor)
	rows, cols, x := f.Rows(), f.Cols(), slices.Clone(f.Floats())
	if t.Factor == "B" && m.Followed() != 0 {
		kernels.Scale(1+m.Followed(), x)
	}
	for _, h := range terms {
		switch r := h.Rank(); {
		case t.Factor == "A":
			x = append(x, ag.Floats(h.A)...)
			rows += r
		case t.Factor == "B":
			x = beside(x, rows, ag.Floats(h.B))
			cols += r
		case t.Ones:
			for range r {
				x = append(x, 1)
			}
			rows += r
		}
	}
	name, shape := t.Stored(m.Linear, rows, cols)
	return pretrained.Tensor{Name: name, Shape: shape, Data: x}
}

// beside returns [x, y] of two matrices of so many rows.
func beside(x []float32, rows int, y []float32) []float32 {
	var wide []float32
	for i := range rows {
		wide = append(wide, x[i*len(x)/rows:(i+1)*len(x)/rows]...)
		wide = append(wide, y[i*len(y)/rows:(i+1)*len(y)/rows]...)
	}
	return wide
}

// ownTensors returns the State as tensors.
func (s *Set) ownTensors() []pretrained.Tensor {
	var tensors []pretrained.Tensor
	add := func(m *adapter.Map, name string, t ag.Tensor) {
		rows, cols := ag.Dims(t)
		tensors = append(tensors, pretrained.Tensor{Name: modelPrefix + m.Name + "." + name, Shape: []int{rows, cols}, Data: ag.Floats(t)})
	}
	for _, m := range s.Maps {
		for _, f := range m.Factors {
			add(m, f.Name, f.Variable)
		}
		for name, t := range heldTensors(m) {
			add(m, name, t) // the writer sorts
		}
	}
	return tensors
}
