package analyze

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lowrank/lowrank/lora/probe"
)

// Every metric that is measured has exactly one definition, and every
// definition is of one that is measured.
func TestMetrics(t *testing.T) {
	of := map[string]bool{}
	for _, m := range Metrics() {
		name := strings.TrimRight(m.Name, "_")
		assert.False(t, of[name], "%s is defined twice", name)
		of[name] = true
	}
	for _, m := range own {
		for _, p := range probe.Metrics() {
			assert.NotEqual(t, strings.TrimRight(p.Name, "_"), strings.TrimRight(m.Name, "_"), "defined by the instruments: list it as shared")
		}
	}
	r := measured(t, base0(t), Options{Checkpoints: true}, "testdata/plain", "testdata/patterns", "testdata/plain")
	seen := map[string]bool{}
	for _, v := range r.Values {
		name := v.Metric
		if !of[name] {
			name = strings.TrimRight(strings.TrimRight(name, "0123456789"), "_")
		}
		assert.True(t, of[name], "%s has no definition", v.Metric)
		seen[name] = true
	}
	for name := range of {
		assert.True(t, seen[name], "%s is defined and not measured", name)
	}
}
