package lora

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/nn"
)

// Targets selects linear maps by the names of their modules, as PEFT's
// target_modules do. An entry is
//
//	a name, or the end of one after a dot     q_proj, mlp.down_proj
//	a regular expression for whole names      .*\.[01]\..*_proj
//	all-linear                                every map inside the blocks
//
// where what has a character that names have not (letters, digits, "_", "-",
// ".") is a regular expression. No entry stands for all-linear. In JSON a
// single entry may stand without its list.
type Targets []string

// AllLinear is the entry for every linear map inside the blocks.
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
			if match(l.Name) {
				selected[l], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("lora: target %q selects no linear map; there are, nearest first: %s", entry, strings.Join(nearest(entry, endings(linears)), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(linears), func(l *nn.Linear) bool { return !selected[l] }), nil
}

var plainName = regexp.MustCompile(`^[\w.-]+$`)

// matcher returns the test for one entry.
func matcher(entry string) (func(name string) bool, error) {
	switch {
	case entry == AllLinear:
		return func(string) bool { return true }, nil
	case plainName.MatchString(entry):
		return func(name string) bool { return name == entry || strings.HasSuffix(name, "."+entry) }, nil
	}
	re, err := regexp.Compile(`^(?:` + entry + `)$`)
	if err != nil {
		return nil, fmt.Errorf("lora: target %q is neither a name nor a regular expression: %w", entry, err)
	}
	return re.MatchString, nil
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
			return fmt.Errorf("lora: %s pattern %q matches no adapted map; there are, nearest first: %s", what, key, strings.Join(nearest(key, endings(selected)), ", "))
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
