package lora

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/nearest"
	"github.com/lowrank/lowrank/nn"
)

// A peftConfig is an adapter_config.json.
type peftConfig struct {
	fields map[string]any
	layout *adapter.Layout // of the delta; nil for peft_type LOWRANK
	method Method
}

// ReadConfig returns the method that an adapter_config.json describes, its
// start among its parts, and the options by which it adapts a model as PEFT
// does. A setting that would change what the adapters compute and is not known
// here is an error that names it.
func ReadConfig(model nn.Model, config []byte) (Method, Options, error) {
	c, err := parseConfig(config)
	if err != nil {
		return Method{}, Options{}, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	}
	opt, err := c.options(model)
	if err != nil {
		return Method{}, Options{}, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	}
	if err := c.startIsKnown(); err != nil {
		return Method{}, Options{}, fmt.Errorf("lora: %s: %w", ConfigFile, bare{err})
	}
	return c.method, opt, nil
}

func parseConfig(config []byte) (*peftConfig, error) {
	c := &peftConfig{}
	if err := json.Unmarshal(config, &c.fields); err != nil {
		return nil, err
	}
	kind, _ := c.fields["peft_type"].(string)
	if kind == ownType {
		recipe, err := ownRecipe(config)
		if err != nil {
			return nil, fmt.Errorf("method: %w", err)
		}
		c.method, err = Compose(recipe)
		return c, err
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
		described, ok := d.FromPEFT(c.fields)
		if !ok || found != nil && described != m.Delta {
			continue
		}
		if found == nil || found.Delta != m.Delta {
			m.Delta, m.Rank, m.Router = described, table[plain].Rank, nil
			found = &m
		}
	}
	if found == nil {
		return nil, nn.Unsupported(fmt.Errorf("peft_type %q is not known; there are: %s, %s", kind, strings.Join(types, ", "), ownType))
	}
	layout := found.Delta.(adapter.Stored).PEFT()
	c.method, c.layout = *found, &layout
	if err := c.start(); err != nil {
		return nil, err
	}
	return c, c.method.Check()
}

// ownRecipe decodes the field "method" and refuses what a Recipe has not.
func ownRecipe(config []byte) (Recipe, error) {
	var own struct{ Method json.RawMessage }
	var recipe Recipe
	if err := json.Unmarshal(config, &own); err != nil {
		return recipe, err
	}
	if len(own.Method) == 0 {
		return recipe, fmt.Errorf("is missing")
	}
	d := json.NewDecoder(bytes.NewReader(own.Method))
	d.DisallowUnknownFields()
	err := d.Decode(&recipe)
	return recipe, err
}

// startKey returns PEFT's name of the setting that says how to start, and its
// value; true means the usual start of the type, which is that of its row.
func (c *peftConfig) startKey() (key string, v any) {
	for _, key = range []string{"init_lora_weights", "init_weights"} {
		if v = c.fields[key]; v != nil {
			break
		}
	}
	return key, v
}

// start makes the initializer the one that the table has for PEFT's name of
// it, if there is one. A type with a start of its own takes no other.
func (c *peftConfig) start() error {
	key, v := c.startKey()
	if c.layout.OwnStart {
		if v != nil && v != true {
			return nn.Unsupported(fmt.Errorf("%s is %v: not supported beside a start that the type has of its own", key, v))
		}
		return nil
	}
	for _, m := range Methods() {
		if s, ok := m.Initial.(adapter.StoredStart); ok {
			if described, ok := s.FromPEFT(v, c.fields); ok {
				c.method.Initial = described
				if m.Initial == described && len(m.Update.Freezes()) > 0 {
					c.method.Update = m.Update // the start is one of what is not frozen
				}
				return nil
			}
		}
	}
	return nil
}

// startIsKnown refuses a start that no part of the table makes.
func (c *peftConfig) startIsKnown() error {
	key, v := c.startKey()
	if v == nil || v == true {
		return nil
	}
	if s, ok := c.method.Initial.(adapter.StoredStart); ok {
		if _, ok := s.FromPEFT(v, c.fields); ok {
			return nil
		}
	}
	return nn.Unsupported(fmt.Errorf("%s is %v: not supported", key, v))
}

// movesBase reports whether the start takes something out of the base, so that
// the adapters are not those of the base as it stands. It refuses one that
// cannot be made again from the base alone.
func (c *peftConfig) movesBase() (bool, error) {
	if c.layout != nil && c.layout.OwnStart {
		return true, nil
	}
	key, v := c.startKey()
	name, _ := v.(string)
	if slices.Contains([]string{"", "gaussian", "orthogonal", "eva", "mica"}, name) {
		return false, nil
	}
	if c.startIsKnown() == nil && !c.method.Needs(adapter.FullGradient) && !c.method.Needs(adapter.Activations) {
		return true, nil
	}
	return false, nn.Unsupported(fmt.Errorf("%s is %q: the adapter belongs to a base that its start was taken out of; save it in PEFT with path_initial_model_for_weight_conversion", key, name))
}

// harmless are settings that do not change what a trained adapter computes.
// fan_in_fan_out is the base's to know: PEFT corrects it too.
var harmless = strings.Fields(`alpha_pattern auto_mapping base_model_name_or_path beta1 beta2 bias corda_config d_initial deltaT
	ensure_weight_tying eva_config exclude_modules fan_in_fan_out hira_dropout inference_mode init_r init_weights init_lora_weights
	layers_pattern layers_to_transform lora_alpha lora_bias lora_dropout loftq_config lora_ga_config megatron_config megatron_core
	modules_to_save orth_reg_weight peft_type peft_version projection_prng_key qalora_group_size r revision
	runtime_config save_projection target_modules target_r task_type tfinal tinit total_step use_dora use_rslora vera_dropout`)

// options reads ranks, alphas and targets, and refuses what it does not know.
func (c *peftConfig) options(model nn.Model) (Options, error) {
	rank, alpha, ranks, alphas := "r", "lora_alpha", "rank_pattern", "alpha_pattern"
	if l := c.layout; l != nil {
		rank, alpha, ranks, alphas = l.Rank, l.Alpha, l.Ranks, l.Alphas
	}
	known := append([]string{rank, alpha, ranks, alphas}, harmless...)
	if c.layout == nil {
		known = append(known, "method")
	} else {
		known = slices.AppendSeq(known, maps.Keys(c.layout.Config))
	}
	for _, key := range slices.Sorted(maps.Keys(c.fields)) {
		if v := c.fields[key]; !slices.Contains(known, key) && !empty(v) {
			return Options{}, nn.Unsupported(fmt.Errorf("%s is %v: not supported", key, v))
		}
	}
	opt := Options{Alpha: 1}
	for _, f := range []struct {
		key  string
		v    any
		into any
		what string
	}{
		{"target_modules", c.fields["target_modules"], &opt.Targets, "a string or a list of strings"},
		{"exclude_modules", c.fields["exclude_modules"], &opt.Exclude, "a string or a list of strings"},
		{"layers_to_transform", list(c.fields["layers_to_transform"]), &opt.Blocks, "a whole number or a list of them"},
		{"layers_pattern", list(c.fields["layers_pattern"]), &opt.BlocksIn, "a string or a list of strings"},
		{"modules_to_save", c.fields["modules_to_save"], &opt.Save, "a list of strings"},
		{rank, c.fields[rank], &opt.Rank, "a whole number"},
		{ranks, c.fields[ranks], &opt.RankPattern, "an object of whole numbers"},
		{alphas, c.fields[alphas], &opt.AlphaPattern, "an object of numbers"},
	} {
		b, _ := json.Marshal(f.v) // out of the decoded value, into its type
		if f.v != nil && json.Unmarshal(b, f.into) != nil {
			return opt, fmt.Errorf("%s is %v: must be %s", f.key, f.v, f.what)
		}
	}
	if alpha != "" {
		a, ok := c.fields[alpha].(float64)
		if !ok {
			return opt, fmt.Errorf("%s is %v: must be a number", alpha, c.fields[alpha])
		}
		opt.Alpha = a
	}
	if p, _ := c.fields[dropoutKey(c.layout)].(float64); p > 0 && p < 1 && c.method.drops() {
		opt.Dropout = p
	}
	switch bias, _ := c.fields["bias"].(string); {
	case bias == "" || bias == "none":
	case bias == "all":
		opt.Bias = AllBiases
	case strings.HasSuffix(bias, "_only"):
		opt.Bias = AdaptedBiases
	default:
		return opt, fmt.Errorf("bias is %q: must be none, all or lora_only", bias)
	}
	return opt, c.asPEFT(model, &opt)
}

// list returns a single value as a list, and a list as it is.
func list(v any) any {
	switch v.(type) {
	case nil, []any:
		return v
	}
	return []any{v}
}

// asPEFT makes the options select what PEFT would: a string is a regular
// expression for whole names, entries of a list may select nothing, a module
// to save too, and of several keys of a pattern the first counts, in the order
// in which PEFT writes them.
func (c *peftConfig) asPEFT(model nn.Model, opt *Options) error {
	linears := model.Linears()
	var err error
	if opt.Targets, err = selecting(opt.Targets, c.fields["target_modules"], linears); err != nil {
		return err
	}
	if len(opt.Targets) == 0 {
		target := fmt.Sprint(c.fields["target_modules"])
		return fmt.Errorf("target_modules is %s: selects no linear map; there are, nearest first: %s", target, nearest.Choices(target, endings(linears)))
	}
	if opt.Exclude, err = selecting(opt.Exclude, c.fields["exclude_modules"], linears); err != nil {
		return err
	}
	if _, isExpr := c.fields["target_modules"].(string); isExpr && len(opt.Blocks) > 0 {
		return fmt.Errorf("layers_to_transform is %v: cannot be with target_modules that is an expression", opt.Blocks)
	}
	params := model.Params()
	for _, l := range linears {
		params = append(params, nn.Param{Name: l.Name + ".weight"}) // tied ones too
	}
	opt.Save = slices.DeleteFunc(opt.Save, func(m string) bool {
		return !slices.ContainsFunc(params, func(p nn.Param) bool { return savedBy(p.Path(), m) })
	})
	selected, err := opt.Select(linears)
	if err != nil {
		return err
	}
	if opt.RankPattern, err = exact(opt.RankPattern, selected); err != nil {
		return err
	}
	opt.AlphaPattern, err = exact(opt.AlphaPattern, selected)
	return err
}

// selecting returns the entries that select something, where v is PEFT's value.
func selecting(t Targets, v any, linears []*nn.Linear) (Targets, error) {
	if s, ok := v.(string); ok && !strings.EqualFold(s, AllLinear) {
		t = Targets{"(?:" + s + ")"}
	}
	var found Targets
	for _, entry := range t {
		match, err := matcher(entry)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(linears, match) {
			found = append(found, entry)
		}
	}
	return found, nil
}

// exact returns a pattern whose keys are the whole names of the selected maps
// that a key matches, the first in alphabetical order.
func exact[T any](pattern map[string]T, selected []*nn.Linear) (map[string]T, error) {
	if len(pattern) == 0 {
		return nil, nil
	}
	names := map[string]T{}
	for _, key := range slices.Sorted(maps.Keys(pattern)) {
		match, err := patternMatcher(key)
		if err != nil {
			return nil, err
		}
		for _, l := range selected {
			name := "^" + regexp.QuoteMeta(l.Name) + "$"
			if _, ok := names[name]; !ok && match(l.Name) {
				names[name] = pattern[key]
			}
		}
	}
	return names, nil
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
