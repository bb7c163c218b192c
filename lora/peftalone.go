package lora

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// LoadAlone reads the adapters of PEFT's two files without their base: maps with
// the names and shapes that the tensors have, the layers in order, whose W0 is
// unknown. It is as strict as [Load] about what belongs to an adapter; tensors
// that are trained whole are passed over. An adapter that cannot be told without
// its base is an error: one whose start was taken out of the base (PiSSA,
// OLoRA), or whose file does not tell how wide its maps are (VeRA).
func LoadAlone(config, weights []byte) (*Set, error) {
	c, err := parseConfig(config)
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	}
	file, err := pretrained.ParseSafetensors(WeightsFile, weights)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", bare{err})
	}
	model, err := c.shapes(file)
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", WeightsFile, bare{err})
	}
	opt, err := c.options(model)
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	}
	switch moved, err := c.movesBase(); {
	case err != nil:
		return nil, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	case moved:
		key, v := c.startKey()
		return nil, fmt.Errorf("lora: %s: %s is %q: its start was taken out of the base: %w", ConfigFile, key, v, ErrNeedsBase)
	}
	r := reader{config: c, file: file, left: map[string]bool{}, state: State{}}
	for _, name := range file.Names() {
		r.left[name] = true
	}
	set := &Set{Method: c.method, Options: opt, model: model}
	if err := r.alone(set); err != nil {
		return nil, fmt.Errorf("lora: %w", bare{err})
	}
	return set, nil
}

// ErrNeedsBase is the error of an adapter that is nothing without its base.
var ErrNeedsBase = errors.New("the base is needed")

// alone makes the maps of a set and reads their factors.
func (r *reader) alone(set *Set) error {
	selected, err := set.Options.Select(set.model.Linears())
	if err != nil {
		return err
	}
	for _, l := range selected {
		m, err := set.adapt(l, r.layers(set.model))
		if err != nil {
			return err
		}
		set.Maps = append(set.Maps, m)
		if err := r.factors(m); err != nil {
			return fmt.Errorf("%s: %w", WeightsFile, bare{err})
		}
		if r.state[m.Name+".base"] != nil {
			return fmt.Errorf("%s: %s has another base in the place of its own: %w", WeightsFile, m.Name, ErrNeedsBase)
		}
		if r.state[m.Name+".A0"] != nil {
			return fmt.Errorf("%s: the start of %s was taken out of the base: %w", WeightsFile, m.Name, ErrNeedsBase)
		}
		if r.state[m.Name+".A1"] != nil || r.state[m.Name+"."+follow] != nil {
			return fmt.Errorf("%s: products were folded into the base of %s: %w", WeightsFile, m.Name, ErrNeedsBase)
		}
		for _, f := range m.Factors {
			copy(f.Floats(), r.state[m.Name+"."+f.Name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.left)) {
		if _, _, _, ok := r.config.factorOf(name); ok {
			have, _ := r.file.Shape(name)
			return fmt.Errorf("%s %v is unexpected", name, have)
		}
	}
	return nil
}

// shapes returns the maps that the tensors of a file are of.
func (c *peftConfig) shapes(file *pretrained.Safetensors) (outline, error) {
	found := map[string]*nn.Linear{}
	for _, name := range file.Names() {
		module, factor, kind, ok := c.factorOf(name)
		if !ok {
			continue
		}
		l := found[module]
		if l == nil {
			l = &nn.Linear{Name: module}
			found[module] = l
		}
		shape, _ := file.Shape(name)
		if len(shape) == 4 && kind == nn.Dense {
			kind = nn.Convolution
		}
		l.Kind = max(l.Kind, kind)
		switch {
		case len(shape) < 2: // a vector tells nothing
		case factor == "A":
			l.In = 1
			for _, n := range shape[1:] {
				l.In *= n
			}
			if kind == nn.Convolution {
				l.Kernel = shape[1:]
			}
		case factor == "B":
			l.Out = shape[0]
		case factor == "W":
			l.Out, l.In = shape[0], shape[1]
		}
	}
	var all outline
	for _, l := range found {
		if l.In == 0 || l.Out == 0 {
			return nil, fmt.Errorf("it does not tell the shape of %s: %w", l.Name, ErrNeedsBase)
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *nn.Linear) int { return naturally(a.Name, b.Name) })
	return all, nil
}

// factorOf returns the module and the factor that a tensor of an adapter's file
// is of, and what kind of map the name is for.
func (c *peftConfig) factorOf(tensor string) (module, factor string, kind nn.Kind, ok bool) {
	name, ok := strings.CutPrefix(tensor, modelPrefix)
	if !ok {
		return "", "", 0, false
	}
	if c.layout == nil {
		i := strings.LastIndexByte(name, '.')
		factor = name[i+1:]
		known := i > 0 && factor != "" && strings.ToUpper(factor[:1]) == factor[:1]
		return name[:max(i, 0)], factor, nn.Dense, known
	}
	for _, t := range c.layout.Tensors {
		if t.Shared {
			continue
		}
		if module, ok := strings.CutSuffix(name, "."+t.Name); ok {
			return module, t.Factor, nn.Dense, true
		}
		if module, ok := strings.CutSuffix(name, "."+t.Table); ok && t.Table != "" {
			return module, t.Factor, nn.Table, true
		}
	}
	return "", "", 0, false
}

// naturally compares names as a reader does: numbers by their values.
func naturally(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, errM := strconv.Atoi(x[i])
		n, errN := strconv.Atoi(y[i])
		order := cmp.Compare(x[i], y[i])
		if errM == nil && errN == nil {
			order = cmp.Compare(m, n)
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(x), len(y))
}

// An outline is a model of which nothing is known but the shapes of some maps.
type outline []*nn.Linear

func (o outline) Forward(*nn.Context) ag.Tensor {
	panic(&ag.ShapeError{Op: "Forward", Text: errOutline.Error()})
}

func (o outline) Check(*nn.Context) error { return errOutline }

func (o outline) Task() nn.Task { return "" }

func (o outline) Linears() []*nn.Linear { return o }

func (o outline) Params() []nn.Param { return nil }

func (o outline) Clone() nn.Model { return slices.Clone(o) }

var errOutline = errors.New("the weights of this model are unknown")
