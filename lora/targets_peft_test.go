package lora

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lowrank/lowrank/nn"
)

// TestMatchingIsPEFTs compares the matcher with what PEFT 0.21 selected by the
// same targets, and by the same keys of a rank pattern, among many names:
// testdata/peft_matching.json was recorded from its check_target_module_exists
// and get_pattern_key. They differ in three things: a single plain name is the
// end of a name to us, also outside a list, where PEFT takes it for a regular
// expression of the whole name; a key of a pattern that starts with ^ matches
// from the beginning, where PEFT puts something before it and it never matches;
// and of several keys we take the longest, PEFT the first.
func TestMatchingIsPEFTs(t *testing.T) {
	var recorded struct {
		Names   []string
		Targets []struct {
			Target   Targets
			Selected []string
		}
		Patterns []struct {
			Keys    []string
			Matched map[string]string
		}
	}
	b, err := os.ReadFile("testdata/peft_matching.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &recorded))
	var linears []*nn.Linear
	for _, name := range recorded.Names {
		linears = append(linears, &nn.Linear{Name: name})
	}
	for _, c := range recorded.Targets {
		selected, err := c.Target.Select(linears)
		if len(c.Selected) == 0 {
			assert.Error(t, err, "%q selects nothing in PEFT", c.Target)
			continue
		}
		if !assert.NoError(t, err, "%q", c.Target) {
			continue
		}
		var names []string
		for _, l := range selected {
			names = append(names, l.Name)
		}
		if len(c.Target) == 1 && plainName.MatchString(c.Target[0]) && !strings.Contains(c.Target[0], ".") {
			names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(c.Selected, n) })
		}
		assert.Equal(t, c.Selected, names, "selected by %q", c.Target)
	}
	for _, c := range recorded.Patterns {
		pattern := map[string]int{}
		for i, key := range c.Keys {
			pattern[key] = i + 1
		}
		for _, name := range recorded.Names {
			got, err := ofPattern(pattern, name, 0)
			want := slices.Index(c.Keys, c.Matched[name]) + 1
			if len(c.Keys) > 1 && got > 0 && want > 0 || strings.HasPrefix(c.Keys[0], "^") && want == 0 {
				continue
			}
			assert.NoError(t, err)
			assert.Equal(t, want, got, "what pattern %q gives %s", c.Keys, name)
		}
	}
}
