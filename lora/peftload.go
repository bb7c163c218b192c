package lora

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// Load adapts a model with the adapters of PEFT's two files. It is strict: a
// setting that would change what the adapters compute and is not known here,
// a tensor too many, too few or of another shape is an error that names it,
// and so are adapters that say of which base they are, on another one. The Set
// has the delta of the files, with the update rule of the delta's row and no
// rank schedule. Where the files' start was taken out of the base (PiSSA,
// OLoRA), it is made again from the model's weights, as PEFT does. Where the
// files have more tokens than the model, it grows by theirs.
func Load(model nn.Model, config, weights []byte) (*Set, error) {
	c, err := parseConfig(config)
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	}
	opt, err := c.options(model)
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	}
	file, err := pretrained.ParseSafetensors(WeightsFile, weights)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", bare{err})
	}
	r := reader{config: c, file: file, left: map[string]bool{}, state: State{}}
	for _, name := range file.Names() {
		r.left[name] = true
	}
	grown, err := r.grow(model)
	if err == nil {
		var s *Set
		if s, err = r.read(model, opt); err == nil {
			s.grown = grown
			return s, nil
		}
	}
	shrink(model, grown)
	return nil, fmt.Errorf("lora: %w", bare{err})
}

// A reader turns the files into what Inject takes.
type reader struct {
	config *peftConfig
	file   *pretrained.Safetensors
	left   map[string]bool // tensors that nothing has asked for
	state  State
}

func (r *reader) read(model nn.Model, opt Options) (*Set, error) {
	selected, err := opt.Select(model.Linears())
	if err != nil {
		return nil, err
	}
	shape := &Set{Method: r.config.method, Options: opt}
	for _, l := range selected {
		m, err := shape.adapt(l, r.layers(model))
		if err != nil {
			return nil, err
		}
		shape.Maps = append(shape.Maps, m)
		if err := r.factors(m); err != nil {
			return nil, fmt.Errorf("%s: %w", WeightsFile, bare{err})
		}
	}
	if err := r.base(shape.Maps); err != nil {
		return nil, err
	}
	if shape.Wholes, err = opt.wholes(model, shape.Maps); err != nil {
		return nil, err
	}
	if err := checkBase(model, shape.Wholes, r.file.Metadata); err != nil {
		return nil, fmt.Errorf("%s: %w", WeightsFile, bare{err})
	}
	for _, w := range shape.Wholes {
		name := modelPrefix + w.stored
		if old := modelPrefix + w.Name; r.left[old] {
			name = old
		}
		if err := r.tensor(w.Name, name, w.Shape); err != nil {
			return nil, fmt.Errorf("%s: %w", WeightsFile, bare{err})
		}
		r.state[w.Name] = w.FromStored(r.state[w.Name])
	}
	if err := r.rest(model, shape.Wholes); err != nil {
		return nil, fmt.Errorf("%s: %w", WeightsFile, bare{err})
	}
	opt.State = r.state
	return Inject(model, r.config.method, opt)
}

func (r *reader) layers(model nn.Model) int {
	n := 0
	for _, l := range model.Linears() {
		n = max(n, layerOf(l.Name)+1)
	}
	return n
}

// base keeps in the state what the start takes out of the base.
func (r *reader) base(all []*adapter.Map) error {
	moves, err := r.config.movesBase()
	if err != nil {
		return fmt.Errorf("%s: %w", ConfigFile, bare{err})
	}
	if !moves {
		return nil
	}
	in := adapter.Inputs{Rand: func(string) *rand.Rand { return rand.New(rand.NewPCG(0, 0)) }}
	if err := r.config.method.initialize(all, in, nil); err != nil {
		return err
	}
	for _, m := range all {
		if a, b := m.Start(); a != nil {
			r.state[m.Name+".A0"], r.state[m.Name+".B0"] = ag.Floats(a), ag.Floats(b)
		}
		if w := m.Replaced(); w.Len() > 0 {
			r.state[m.Name+".base"] = w.All()
		}
	}
	return nil
}

// rest refuses what nothing has asked for, but what PEFT writes besides: the
// modules to save twice more when biases are trained, and the weights of
// embeddings and outputs, which must be the base's.
func (r *reader) rest(model nn.Model, wholes []*Whole) error {
	params, trained := map[string]nn.Param{}, map[string]bool{}
	for _, p := range model.Params() {
		params[p.Name], params[p.Path()] = p, p
	}
	for _, w := range wholes {
		trained[w.Name] = true
	}
	for _, l := range model.Linears() { // tensors with two names
		if l.Tied != nil {
			params[l.Name+".weight"] = params[l.Tied.Name+".weight"]
		}
		for _, p := range model.Params() {
			if l.Bias != nil && p.Variable == l.Bias {
				params[l.Name+".bias"] = p
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.left)) {
		have, _ := r.file.Shape(name)
		base := strings.Replace(strings.TrimPrefix(name, modelPrefix), ".base_layer.", ".", 1)
		p, ok := params[base]
		switch {
		case strings.Contains(name, ".original_module.") || strings.Contains(name, ".modules_to_save."):
		case !ok:
			return fmt.Errorf("%s %v is unexpected", name, have)
		case !slices.Equal(have, p.Shape):
			return fmt.Errorf("%s is %v, the base's %s is %v: the adapter belongs to another base", name, have, base, p.Shape)
		default:
			t, err := r.file.Tensor(name)
			if err != nil {
				return err
			}
			want := p.Floats()
			if trained[p.Name] {
				want = r.state[p.Name]
			}
			if !slices.Equal(t.Data, p.Stored(want)) {
				return fmt.Errorf("%s differs from the base's %s: the adapter belongs to another base", name, base)
			}
		}
	}
	return nil
}

// factors reads the tensors of a map into the state.
func (r *reader) factors(m *adapter.Map) error {
	l := r.config.layout
	if l == nil {
		for _, f := range m.Factors {
			if err := r.tensor(m.Name+"."+f.Name, modelPrefix+m.Name+"."+f.Name, []int{f.Rows(), f.Cols()}); err != nil {
				return err
			}
		}
		return r.held(m)
	}
	for _, t := range l.Tensors {
		f := m.Factor(t.Factor)
		if t.Shared {
			if err := r.corner(m, t, []int{f.Rows(), f.Cols()}); err != nil {
				return err
			}
			continue
		}
		tensor, shape := t.Stored(m.Linear, f.Rows(), f.Cols())
		name := modelPrefix + m.Name + "." + tensor
		if old := modelPrefix + m.Old + "." + tensor; r.left[old] {
			name = old // made before transformers 5
		}
		if err := r.tensor(m.Name+"."+t.Factor, name, shape); err != nil {
			return err
		}
	}
	return nil
}

// held reads what the base of a map holds.
func (r *reader) held(m *adapter.Map) error {
	if base := modelPrefix + m.Name + ".base"; r.left[base] {
		if err := r.tensor(m.Name+".base", base, []int{m.Out, m.In}); err != nil {
			return err
		}
	}
	for k := 0; ; k++ {
		n := strconv.Itoa(k)
		have, ok := r.file.Shape(modelPrefix + m.Name + ".A" + n)
		if !ok && k > 0 {
			break
		}
		if !ok {
			continue
		}
		rank := 0
		if len(have) == 2 {
			rank = have[0]
		}
		for name, shape := range map[string][]int{"A" + n: {rank, m.In}, "B" + n: {m.Out, rank}} {
			if err := r.tensor(m.Name+"."+name, modelPrefix+m.Name+"."+name, shape); err != nil {
				return err
			}
		}
	}
	if name := modelPrefix + m.Name + "." + follow; r.left[name] {
		return r.tensor(m.Name+"."+follow, name, []int{1, 1})
	}
	return nil
}

// tensor reads one tensor of exactly that shape into the state.
func (r *reader) tensor(key, name string, shape []int) error {
	have, ok := r.file.Shape(name)
	switch {
	case !ok:
		return fmt.Errorf("%s %v is missing", name, shape)
	case !slices.Equal(have, shape):
		return fmt.Errorf("%s is %v: must be %v", name, have, shape)
	}
	return r.keep(key, name, func(x []float32) []float32 { return x })
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
	return r.keep(m.Name+"."+t.Factor, name, func(x []float32) []float32 {
		var c []float32
		for i := range shape[0] {
			c = append(c, x[i*have[1]:i*have[1]+shape[1]]...)
		}
		return c
	})
}

func (r *reader) keep(key, name string, cut func([]float32) []float32) error {
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
	r.state[key] = cut(t.Data)
	return nil
}
