package main

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
)

// shown are the metrics that a run shows while it trains, over all its adapters
// or of the model, in this order.
var shown = []struct{ layer, metric, form string }{
	{"*", "frobenius_norm", "‖ΔW‖ %.3g"},
	{"*", "effective_rank", "effective rank %.2f"},
	{"*", "relative_update_norm", "step %.2g·‖W0‖"},
	{"*", "alignment", "alignment %.2f"},
	{"*", "captured_energy", "captured %.2f"},
	{"", "noise_scale", "noise scale %.3g"},
	{"", "sharpness", "sharpness %.3g"},
	{"", "forgetting", "forgetting %+.3f"},
}

// live is what the instruments have said last.
type live map[string]float64

// see takes in the rows of a step.
func (l live) see(rows []record.Metric) {
	for _, r := range rows {
		for _, s := range shown {
			if r.Name == s.metric && r.Layer == s.layer {
				l[r.Name] = r.Value
			}
		}
	}
}

// String is one line, or nothing.
func (l live) String() string {
	var parts []string
	for _, s := range shown {
		if v, ok := l[s.metric]; ok {
			parts = append(parts, fmt.Sprintf(s.form, v))
		}
	}
	return strings.Join(parts, " · ")
}
