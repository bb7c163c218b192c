package lora_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

// lopsided are moments by which queries have four components that explain more
// than any of the keys', and values two.
func lopsided(m *adapter.Map) *adapter.Moments {
	x := &adapter.Moments{Rows: 10, Mean: make([]float64, m.In), Second: make([]float64, m.In*m.In), Scaled: make([]float64, m.In*m.In)}
	for j := range m.In {
		x.Second[j*m.In+j] = 1 / float64(1+j)
		if strings.Contains(m.Name, "v_proj") {
			x.Second[j*m.In+j] = 1 / float64(int(1)<<min(2*j, 40))
		}
		if strings.Contains(m.Name, "k_proj") {
			x.Second[j*m.In+j] = 1 // each explains the same little
		}
	}
	return x
}

// Maps have the ranks that the start gives them and the scaling of the configured
// one; a map without any has no adapter. Files and states know.
func TestAllocation(t *testing.T) {
	opt := lora.Options{Targets: lora.Targets{"q_proj", "k_proj", "v_proj"}, Rank: 2, Alpha: 6, Seed: 1, Moments: lopsided}
	base := model(t)
	set, err := lora.Inject(base, row(t, "eva"), opt)
	if err != nil {
		t.Fatal(err)
	}
	sum, ranks := 0, map[int]bool{}
	for _, m := range set.Maps {
		sum += m.Rank
		ranks[m.Rank] = true
		if m.Scaling != 3 {
			t.Errorf("%s: the scaling is %v at rank %d, want 3", m.Name, m.Scaling, m.Rank)
		}
		if strings.Contains(m.Name, "k_proj") {
			t.Errorf("%s has an adapter of rank %d", m.Name, m.Rank)
		}
	}
	if want := 3 * 3 * 2; sum != want || !ranks[4] || !ranks[2] {
		t.Errorf("the ranks are %v and add up to %d, want %d", ranks, sum, want)
	}
	stir(set)
	config, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	want := logitsOf(t, base)
	fresh := model(t)
	read, err := lora.Load(fresh, config, weights)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(logitsOf(t, fresh), want) {
		t.Error("the files give another model")
	}
	if again, _, err := read.Files(); err != nil || !bytes.Equal(again, config) {
		t.Errorf("the configuration %s is written again as %s, %v", config, again, err)
	}
	resumed := model(t)
	opt.State, opt.Moments = set.State(), nil
	if _, err := lora.Inject(resumed, row(t, "eva"), opt); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(logitsOf(t, resumed), want) {
		t.Error("the state gives another model")
	}

	factory, err := lora.Compose(lora.Recipe{Method: "eva", Options: map[string]float64{"factory": 1}})
	if err != nil {
		t.Fatal(err)
	}
	opt.State, opt.Moments = nil, lopsided
	if set, err = lora.Inject(model(t), factory, opt); err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Maps {
		if want := float32(6 / float64(m.Rank)); m.Scaling != want {
			t.Errorf("%s: the scaling is %v at rank %d, want %v", m.Name, m.Scaling, m.Rank, want)
		}
	}
}

// A dry set has the configured ranks, needs no calibration, and is refused what a
// start would refuse.
func TestDry(t *testing.T) {
	for _, m := range lora.Methods() {
		set, err := lora.Inject(model(t), m, lora.Options{Rank: 2, Alpha: 4, Dry: true})
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		if a, _ := set.Maps[0].Start(); a != nil {
			t.Errorf("%s: a start was made", m.Name)
		}
	}
	if _, err := lora.Inject(model(t), row(t, "pissa"), lora.Options{Rank: 20, Alpha: 4, Dry: true}); err == nil || !strings.Contains(err.Error(), "initial: model.layers.0") {
		t.Errorf("a rank that is too large: %v", err)
	}
	if _, err := lora.Compose(lora.Recipe{Init: "eva", Rank: "adalora"}); err == nil || !strings.Contains(err.Error(), "init eva and rank adalora both give maps ranks") {
		t.Errorf("two allocations: %v", err)
	}
}
