package main

import (
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora/probe"
)

func TestLive(t *testing.T) {
	l := live{}
	if l.String() != "" {
		t.Errorf("nothing was seen, and it says %q", l)
	}
	l.see([]record.Metric{
		{Step: 1, Layer: "*", Name: "effective_rank", Value: 3.14159}, {Step: 1, Layer: "*.q_proj", Name: "effective_rank", Value: 9},
		{Step: 1, Name: "sharpness", Value: 12}, {Step: 1, Name: "train_loss", Value: 2}, {Step: 1, Layer: "*", Name: "frobenius_norm", Value: 0.5},
	})
	l.see([]record.Metric{{Step: 2, Layer: "*", Name: "frobenius_norm", Value: 0.75}})
	if got, want := l.String(), "‖ΔW‖ 0.75 · effective rank 3.14 · sharpness 12"; got != want {
		t.Errorf("have %q, want %q", got, want)
	}
	names := map[string]bool{}
	for _, m := range probe.Metrics() {
		names[m.Name] = true
	}
	for _, s := range shown {
		if !names[s.metric] {
			t.Errorf("%s is no metric", s.metric)
		}
	}
}
