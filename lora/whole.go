package lora

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/nearest"
	"github.com/lowrank/lowrank/nn"
)

// Biases says which biases of the base are trained beside the adapters.
type Biases string

// The choices; "" is none.
const (
	NoBiases      Biases = "none"
	AllBiases     Biases = "all"
	AdaptedBiases Biases = "lora_only" // of the adapted maps
)

// A Whole is a tensor of the base that is trained as it stands beside the
// adapters: a bias, or what belongs to a module to save.
type Whole struct {
	nn.Param
	stored string // its name in an adapter's file, after PEFT's prefix

	base []float32  // what the model has without the set
	own  []float32  // what the set has, while it is detached; nil: it is attached
	head *nn.Linear // it was tied, and has a tensor of its own in the set
	tied *ag.Variable
}

// wholes finds the tensors that the options have trained whole, and refuses a
// module to save that the model has not.
func (o *Options) wholes(model nn.Model, maps []*adapter.Map) ([]*Whole, error) {
	adapted := map[string]bool{}
	for _, m := range maps {
		adapted[m.Name] = true
	}
	params, heads := untied(model, o.Save)
	for _, module := range o.Save {
		if !slices.ContainsFunc(params, func(p nn.Param) bool { return savedBy(p.Path(), module) }) {
			return nil, fmt.Errorf("lora: module to save %q is not in the model; there are, nearest first: %s", module, nearest.Choices(module, modulesOf(params)))
		}
	}
	var list []*Whole
	for _, p := range params {
		module, _ := cutLast(p.Path())
		isBias := strings.HasSuffix(p.Path(), ".bias")
		saved := slices.ContainsFunc(o.Save, func(module string) bool { return savedBy(p.Path(), module) })
		switch {
		case saved:
		case o.Bias == AllBiases && isBias, o.Bias == AdaptedBiases && isBias && adapted[module]:
		default:
			continue
		}
		w := &Whole{Param: p, stored: p.Path(), base: slices.Clone(p.Floats()), head: heads[p.Name]}
		if !saved && adapted[module] {
			w.stored = module + ".base_layer.bias"
		}
		w.own = slices.Clone(w.base)
		list = append(list, w)
	}
	return list, nil
}

// untied returns the tensors of a model, and besides them, by name, one of its
// own for each output whose weight is tied to a table, where either is among
// the modules to save: what is trained whole is shared with nothing.
func untied(model nn.Model, save []string) ([]nn.Param, map[string]*nn.Linear) {
	params, heads := slices.Clone(model.Params()), map[string]*nn.Linear{}
	for _, l := range model.Linears() {
		if l.Tied == nil {
			continue
		}
		name := l.Name + ".weight"
		if slices.ContainsFunc(save, func(m string) bool { return savedBy(name, m) || savedBy(l.Tied.Name+".weight", m) }) {
			v := ag.NewVariable(l.Out, l.In, slices.Clone(l.W.Floats()))
			params = append(params, nn.Param{Name: name, Variable: v, Shape: []int{l.Out, l.In}})
			heads[name] = l
		}
	}
	return params, heads
}

// savedBy reports whether the tensor belongs to a module whose name ends in
// module, which is how PEFT finds its modules_to_save.
func savedBy(tensor, module string) bool {
	for at := len(tensor); ; {
		if at = strings.LastIndexByte(tensor[:at], '.'); at < 0 {
			return false
		}
		if strings.HasSuffix(tensor[:at], module) {
			return true
		}
	}
}

// within reports whether a linear map belongs to a module to save, so that it
// takes no adapter.
func within(name string, save []string) bool {
	for _, module := range save {
		re, err := regexp.Compile(`(^|.*\.)` + module + `($|\..*)`)
		if err == nil && re.MatchString(name) {
			return true
		}
	}
	return false
}

// modulesOf lists the last components of the modules' names.
func modulesOf(params []nn.Param) []string {
	var names []string
	for _, p := range params {
		module, _ := cutLast(p.Path())
		if _, name := cutLast(module); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// cutLast cuts a name before its last component.
func cutLast(name string) (before, last string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

// attach puts the set's values into the model and has them trained.
func (w *Whole) attach() {
	if w.head != nil {
		w.tied, w.head.W = w.head.W, w.Variable
		w.head.Repack()
	}
	copy(w.Floats(), w.own)
	w.own = nil
	w.SetRequiresGrad(true)
}

// find takes the model's tensor of that name, which may have grown since.
func (w *Whole) find(model nn.Model) {
	if w.head != nil {
		return // it is the set's own
	}
	for _, p := range model.Params() {
		if p.Name == w.Name {
			w.Param = p
		}
	}
}

// values returns what the set has.
func (w *Whole) values() []float32 {
	if w.own != nil {
		return w.own
	}
	return w.Floats()
}

// detach keeps the set's values and gives the model its own back.
func (w *Whole) detach() {
	w.own = slices.Clone(w.Floats())
	copy(w.Floats(), w.base)
	w.SetRequiresGrad(false)
	if w.head != nil {
		w.head.W = w.tied
		w.head.Repack()
	}
}
