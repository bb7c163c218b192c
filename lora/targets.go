package lora

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/lora/nearest"
	"github.com/lowrank/lowrank/nn"
)

// Targets selects linear maps by the names of their modules, as PEFT's
// target_modules do. An entry is
//
//	a name, or the end of one after a dot     q_proj, mlp.down_proj
//	a regular expression for whole names      .*\.[01]\..*_proj
//	all-linear                                every map but embeddings, convolutions and the output
//
// where what has a character that names have not (letters, digits, "_", "-",
// ".") is a regular expression. No entry stands for all-linear. In JSON a
// single entry may stand without its list.
type Targets []string

// AllLinear is the entry for every linear map but the embeddings, the
// convolutions and the one that makes the logits.
const AllLinear = "all-linear"

// UnmarshalJSON reads a string or a list of strings.
func (t *Targets) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = Targets{one}
		return nil
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("targets: must be a string or a list of strings")
	}
	*t = list
	return nil
}

// Select returns the selected maps in their order. An entry that selects
// nothing is an error with the names there are, the nearest first.
func (t Targets) Select(linears []*nn.Linear) ([]*nn.Linear, error) {
	entries := []string(t)
	if len(entries) == 0 {
		entries = []string{AllLinear}
	}
	selected := map[*nn.Linear]bool{}
	for _, entry := range entries {
		match, err := matcher(entry)
		if err != nil {
			return nil, err
		}
		found := false
		for _, l := range linears {
			if match(l) {
				selected[l], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("lora: target %q selects no linear map; there are, nearest first: %s", entry, nearest.Choices(entry, endings(linears)))
		}
	}
	return slices.DeleteFunc(slices.Clone(linears), func(l *nn.Linear) bool { return !selected[l] }), nil
}

var plainName = regexp.MustCompile(`^[\w.-]+$`)

// matcher returns the test for one entry.
func matcher(entry string) (func(l *nn.Linear) bool, error) {
	switch {
	case strings.EqualFold(entry, AllLinear):
		return func(l *nn.Linear) bool { return l.Kind == nn.Dense && !l.Output }, nil
	case plainName.MatchString(entry):
		ends := func(name string) bool { return name == entry || strings.HasSuffix(name, "."+entry) }
		return func(l *nn.Linear) bool { return ends(l.Name) || ends(l.Old) }, nil
	}
	re, err := regexp.Compile(`^(?:` + entry + `)$`)
	if err != nil {
		return nil, fmt.Errorf("lora: target %q is neither a name nor a regular expression: %w", entry, err)
	}
	return func(l *nn.Linear) bool { return re.MatchString(l.Name) || l.Old != "" && re.MatchString(l.Old) }, nil
}

// Select returns the maps that the options adapt, in their order: what Targets
// selects, within the blocks that are asked for, without what Exclude selects
// and what belongs to a module to save. None at all is an error.
func (o *Options) Select(linears []*nn.Linear) ([]*nn.Linear, error) {
	selected, err := o.Targets.Select(linears)
	if err != nil {
		return nil, err
	}
	var out []*nn.Linear
	if len(o.Exclude) > 0 {
		if out, err = o.Exclude.Select(linears); err != nil {
			return nil, fmt.Errorf("%w (to exclude)", err)
		}
	}
	in, err := o.inBlocks()
	if err != nil {
		return nil, err
	}
	selected = slices.DeleteFunc(selected, func(l *nn.Linear) bool {
		return slices.Contains(out, l) || !in(l.Name) || within(l.Name, o.Save)
	})
	if len(selected) == 0 {
		return nil, fmt.Errorf("lora: targets %q select no linear map within blocks %v, without %q and modules to save %q", o.Targets, o.Blocks, o.Exclude, o.Save)
	}
	return selected, nil
}

// inBlocks returns the test whether a name is within the blocks asked for, as
// PEFT numbers them.
func (o *Options) inBlocks() (func(name string) bool, error) {
	if len(o.Blocks) == 0 {
		return func(string) bool { return true }, nil
	}
	exprs := []string{`^.*?\.[^.]*\.(\d+)\.`}
	if len(o.BlocksIn) > 0 {
		exprs = nil
		for _, p := range o.BlocksIn {
			exprs = append(exprs, `^(?:|.*?\.)(?:`+p+`)\.(\d+)\.`)
		}
	}
	var patterns []*regexp.Regexp
	for _, e := range exprs {
		re, err := regexp.Compile(e)
		if err != nil {
			return nil, fmt.Errorf("lora: layers pattern %q: %w", e, err)
		}
		patterns = append(patterns, re)
	}
	return func(name string) bool {
		for _, re := range patterns {
			if m := re.FindStringSubmatch(name); m != nil {
				n, err := strconv.Atoi(m[len(m)-1])
				return err == nil && slices.Contains(o.Blocks, n)
			}
		}
		return false
	}, nil
}

// endings returns the last components of the names, each once.
func endings(linears []*nn.Linear) []string {
	var ends []string
	for _, l := range linears {
		end := l.Name[strings.LastIndexByte(l.Name, '.')+1:]
		if !slices.Contains(ends, end) {
			ends = append(ends, end)
		}
	}
	return ends
}

// checkPattern refuses a key of a rank or alpha pattern that no selected map
// answers to: it would be ignored in silence.
func checkPattern[T any](what string, pattern map[string]T, selected []*nn.Linear) error {
	for _, key := range slices.Sorted(maps.Keys(pattern)) {
		match, err := patternMatcher(key)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(selected, func(l *nn.Linear) bool { return match(l.Name) }) {
			return fmt.Errorf("lora: %s pattern %q matches no adapted map; there are, nearest first: %s", what, key, nearest.Choices(key, endings(selected)))
		}
	}
	return nil
}

// patternMatcher returns the test for a key of a pattern, as PEFT matches the
// keys of rank_pattern: whole components at the end of a name, or from the
// beginning where the key starts with ^.
func patternMatcher(key string) (func(name string) bool, error) {
	expr := `^(?:.*\.)?(?:` + key + `)$`
	if strings.HasPrefix(key, "^") {
		expr = key
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("lora: pattern %q: %w", key, err)
	}
	return re.MatchString, nil
}

// ofPattern returns the value of the longest key that matches the name, or else
// the other value.
func ofPattern[T any](pattern map[string]T, name string, otherwise T) (T, error) {
	best, value := -1, otherwise
	for _, key := range slices.Sorted(maps.Keys(pattern)) {
		match, err := patternMatcher(key)
		if err != nil {
			return value, err
		}
		if match(name) && len(key) > best {
			best, value = len(key), pattern[key]
		}
	}
	return value, nil
}
