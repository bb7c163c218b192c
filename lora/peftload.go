package lora

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// Load adapts a model with the adapters of PEFT's two files. It is strict: a
// setting that would change what the adapters compute and is not known here,
// a tensor too many, too few or of another shape is an error that names it.
// The Set has the delta of the files, on a base as it stands, with the update
// rule of the delta's row and no rank schedule.
func Load(model nn.Model, config, weights []byte) (*Set, error) {
	var fields map[string]any
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, fmt.Errorf("lora: %s: %w", ConfigFile, err)
	}
	file, err := pretrained.ParseSafetensors(WeightsFile, weights)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	r := reader{fields: fields, file: file, left: map[string]bool{}, state: State{}}
	for _, name := range file.Names() {
		r.left[name] = true
	}
	s, err := r.read(model, config)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	return s, nil
}

// A reader turns the files into what Inject takes.
type reader struct {
	fields map[string]any
	file   *pretrained.Safetensors
	left   map[string]bool // tensors that nothing has asked for
	state  State
}

func (r *reader) read(model nn.Model, config []byte) (*Set, error) {
	method, layout, err := r.method(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigFile, err)
	}
	opt, err := r.options(layout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigFile, err)
	}
	selected, err := opt.Targets.Select(model.Linears())
	if err != nil {
		return nil, err
	}
	shape := &Set{Method: method, Options: opt}
	for _, l := range selected {
		m, err := shape.adapt(l, r.layers(model))
		if err != nil {
			return nil, err
		}
		if err := r.factors(m, layout); err != nil {
			return nil, fmt.Errorf("%s: %w", WeightsFile, err)
		}
	}
	if len(r.left) > 0 {
		name := slices.Min(slices.Collect(maps.Keys(r.left)))
		have, _ := r.file.Shape(name)
		return nil, fmt.Errorf("%s: %s %v is unexpected", WeightsFile, name, have)
	}
	opt.State = r.state
	return Inject(model, method, opt)
}

func (r *reader) layers(model nn.Model) int {
	n := 0
	for _, l := range model.Linears() {
		n = max(n, layerOf(l.Name)+1)
	}
	return n
}

// method finds the row whose delta the configuration describes.
func (r *reader) method(config []byte) (Method, *adapter.Layout, error) {
	kind, _ := r.fields["peft_type"].(string)
	if kind == ownType {
		var own struct{ Method Recipe }
		if err := strictly(config, &own); err != nil {
			return Method{}, nil, fmt.Errorf("method: %w", err)
		}
		m, err := Compose(own.Method)
		return m, nil, err
	}
	var found *Method
	var types []string
	for _, m := range Methods() {
		d, ok := m.Delta.(adapter.Stored)
		if !ok {
			continue
		}
		if t := d.PEFT().Type; !slices.Contains(types, t) {
			types = append(types, t)
		}
		described, ok := d.FromPEFT(r.fields)
		if !ok || found != nil && described != m.Delta {
			continue
		}
		if found == nil || found.Delta != m.Delta {
			m.Delta, m.Rank, m.Router = described, table[plain].Rank, nil
			found = &m
		}
	}
	if found == nil {
		return Method{}, nil, fmt.Errorf("peft_type %q is not known; there are: %s, %s", kind, strings.Join(types, ", "), ownType)
	}
	layout := found.Delta.(adapter.Stored).PEFT()
	return *found, &layout, nil
}

// strictly decodes the field "method" and refuses what a Recipe has not.
func strictly(config []byte, own *struct{ Method Recipe }) error {
	var raw struct{ Method json.RawMessage }
	if err := json.Unmarshal(config, &raw); err != nil {
		return err
	}
	if len(raw.Method) == 0 {
		return fmt.Errorf("is missing")
	}
	d := json.NewDecoder(bytes.NewReader(raw.Method))
	d.DisallowUnknownFields()
	return d.Decode(&own.Method)
}

// harmless are settings that do not change what a trained adapter computes.
var harmless = strings.Fields(`auto_mapping base_model_name_or_path beta1 beta2 corda_config d_initial deltaT
	ensure_weight_tying eva_config hira_dropout inference_mode init_r init_weights layers_pattern lora_dropout
	lora_ga_config megatron_config megatron_core orth_reg_weight peft_type peft_version projection_prng_key
	qalora_group_size revision runtime_config save_projection target_modules target_r task_type tfinal tinit
	total_step use_dora use_rslora vera_dropout`)

// options reads rank, alpha and targets, and refuses what it does not know.
func (r *reader) options(l *adapter.Layout) (Options, error) {
	rank, alpha, ranks, alphas := "r", "lora_alpha", "rank_pattern", "alpha_pattern"
	if l != nil {
		rank, alpha, ranks, alphas = l.Rank, l.Alpha, l.Ranks, l.Alphas
	}
	known := append([]string{rank, alpha, ranks, alphas, "r", "lora_alpha"}, harmless...)
	if l == nil {
		known = append(known, "method")
	}
	for _, key := range slices.Sorted(maps.Keys(r.fields)) {
		v := r.fields[key]
		start, isName := v.(string)
		switch {
		case slices.Contains(known, key) || empty(v):
		case key == "init_lora_weights" && (!isName || slices.Contains([]string{"gaussian", "orthogonal", "eva"}, start)):
		case key == "init_lora_weights":
			return Options{}, fmt.Errorf("init_lora_weights is %q: the adapter belongs to a base that its start was taken out of; save it in PEFT with path_initial_model_for_weight_conversion", start)
		default:
			return Options{}, fmt.Errorf("%s is %v: not supported", key, v)
		}
	}
	opt := Options{Alpha: 1}
	b, _ := json.Marshal(map[string]any{ // out of the decoded values, into their types
		"Targets": r.fields["target_modules"], "Rank": r.fields[rank],
		"RankPattern": r.fields[ranks], "AlphaPattern": r.fields[alphas],
	})
	if err := json.Unmarshal(b, &opt); err != nil {
		return opt, fmt.Errorf("target_modules, %s, %s or %s: %w", rank, ranks, alphas, err)
	}
	if alpha != "" {
		a, ok := r.fields[alpha].(float64)
		if !ok {
			return opt, fmt.Errorf("%s is %v: must be a number", alpha, r.fields[alpha])
		}
		opt.Alpha = a
	}
	if len(opt.Targets) == 0 {
		return opt, fmt.Errorf("target_modules is missing")
	}
	return opt, nil
}

// empty reports whether a setting says nothing.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == "" || v == "none"
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// factors reads the tensors of a map into the state.
func (r *reader) factors(m *adapter.Map, l *adapter.Layout) error {
	if l == nil {
		for _, f := range m.Factors {
			if err := r.tensor(m, f.Name, modelPrefix+m.Name+"."+f.Name, []int{f.Rows(), f.Cols()}); err != nil {
				return err
			}
		}
		if a0 := modelPrefix + m.Name + ".A0"; r.left[a0] {
			if err := r.tensor(m, "A0", a0, []int{m.Rank, m.In}); err != nil {
				return err
			}
			return r.tensor(m, "B0", modelPrefix+m.Name+".B0", []int{m.Out, m.Rank})
		}
		return nil
	}
	for _, t := range l.Tensors {
		f := m.Factor(t.Factor)
		shape := []int{f.Rows(), f.Cols()}
		if t.Shared {
			if err := r.corner(m, t, shape); err != nil {
				return err
			}
			continue
		}
		if t.Vector {
			shape = []int{f.Rows() * f.Cols()}
		}
		if err := r.tensor(m, t.Factor, modelPrefix+m.Name+"."+t.Name, shape); err != nil {
			return err
		}
	}
	return nil
}

// tensor reads one tensor of exactly that shape.
func (r *reader) tensor(m *adapter.Map, factor, name string, shape []int) error {
	have, ok := r.file.Shape(name)
	switch {
	case !ok:
		return fmt.Errorf("%s %v is missing", name, shape)
	case !slices.Equal(have, shape):
		return fmt.Errorf("%s is %v: must be %v", name, have, shape)
	}
	return r.keep(m, factor, name, func(x []float32) []float32 { return x })
}

// corner reads the upper left corner of a shared tensor.
func (r *reader) corner(m *adapter.Map, t adapter.Tensor, shape []int) error {
	name := sharedPrefix + t.Name
	have, ok := r.file.Shape(name)
	switch {
	case !ok:
		return fmt.Errorf("%s, at least %v, is missing", name, shape)
	case len(have) != 2 || have[0] < shape[0] || have[1] < shape[1]:
		return fmt.Errorf("%s is %v: must be at least %v, for %s", name, have, shape, m.Name)
	}
	return r.keep(m, t.Factor, name, func(x []float32) []float32 {
		var c []float32
		for i := range shape[0] {
			c = append(c, x[i*have[1]:i*have[1]+shape[1]]...)
		}
		return c
	})
}

func (r *reader) keep(m *adapter.Map, factor, name string, cut func([]float32) []float32) error {
	t, err := r.file.Tensor(name)
	if err != nil {
		return err
	}
	for i, x := range t.Data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("%s: value %d is %v: must be finite", name, i, x)
		}
	}
	delete(r.left, name)
	r.state[m.Name+"."+factor] = cut(t.Data)
	return nil
}
