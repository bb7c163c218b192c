package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// adapterName is PEFT's name of the recorded adapter, which stands in the names
// of its tensors.
const adapterName = "default"

// method returns the method and the options of a recorded configuration.
func (rec *recording) method(model nn.Model, without ...string) (lora.Method, lora.Options, error) {
	config, err := rec.config(without...)
	if err != nil {
		return lora.Method{}, lora.Options{}, err
	}
	var c struct {
		Type string `json:"peft_type"`
	}
	if err := json.Unmarshal(config, &c); err != nil || c.Type == "" {
		return lora.Method{}, lora.Options{}, fmt.Errorf("%s.json: config: has no peft_type", rec.name)
	}
	return lora.ReadConfig(model, config)
}

// refuse reports an error: that a setting is not supported, or that a file is
// wrong.
func (r *rows) refuse(name string, err error) {
	if !errors.Is(err, errors.ErrUnsupported) {
		r.fail(name, err)
		return
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "lora: "), lora.ConfigFile+": ")
	r.unsupported(name, text)
}

// unmade is the start of factors that are filled afterwards.
type unmade struct{}

func (unmade) Needs() []adapter.Capability               { return nil }
func (unmade) Provides() []adapter.Capability            { return nil }
func (unmade) Init([]*adapter.Map, adapter.Inputs) error { return nil }

// adapted injects a method with the values that are recorded under param. The
// start is not made: what it left of the base is the model's weight.
func adapted(model nn.Model, method lora.Method, opt lora.Options, t tensors) (*lora.Set, []part, error) {
	method.Initial = unmade{}
	set, err := lora.Inject(model, method, opt)
	if err != nil {
		return nil, nil, nn.Unsupported(err)
	}
	parts, err := partsOf(set)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range parts {
		name := t.first(p.under("param")...)
		if p.whole && !t.has(name) {
			continue // as it is in the base
		}
		x, err := t.shaped(name, p.shape)
		if err != nil {
			return nil, nil, err
		}
		copy(p.Floats(), x)
	}
	return set, parts, nil
}

// A part is a tensor of a set, a factor or one that is trained whole.
type part struct {
	names   []string // as it may be recorded
	trained bool
	whole   bool
	shape   []int
	*ag.Variable
}

// under returns the names that it may have after a prefix.
func (p part) under(prefix string) []string {
	var names []string
	for _, name := range p.names {
		names = append(names, prefix+"."+name)
	}
	return names
}

// partsOf lists the tensors of a set: the factors of each map, then what is
// trained whole.
func partsOf(set *lora.Set) ([]part, error) {
	var parts []part
	adapts := map[string]bool{}
	for _, m := range set.Maps {
		adapts[m.Name] = true
		stored, ok := m.Delta.(adapter.Stored)
		if !ok {
			return nil, nn.Unsupported(fmt.Errorf("PEFT has no type for the method %s", set.Method.Name))
		}
		for _, t := range stored.PEFT().Tensors {
			f := m.Factor(t.Factor)
			name, shape := t.Stored(m.Linear, f.Rows(), f.Cols())
			parts = append(parts, part{recordedNames(m.Name, name), f.Trained, false, shape, f.Variable})
		}
	}
	for _, w := range set.Wholes {
		i := strings.LastIndexByte(w.Name, '.')
		module, name := w.Name[:max(i, 0)], w.Name[i+1:]
		names := []string{w.Name, module + ".modules_to_save." + adapterName + "." + name}
		if adapts[module] {
			names = slices.Insert(names, 0, module+".base_layer."+name)
		}
		parts = append(parts, part{names, true, true, w.Shape, w.Variable})
	}
	return parts, nil
}

// recordedNames puts the adapter's name into that of a tensor: a parameter of a
// module has it before its own name, lora_A.default.weight, others at the end.
func recordedNames(module, stored string) []string {
	for _, own := range []string{".weight", ".bias"} {
		if stem, ok := strings.CutSuffix(stored, own); ok {
			return []string{module + "." + stem + "." + adapterName + own}
		}
	}
	name := module + "." + stored + "." + adapterName
	return []string{name, name + ".weight"}
}
