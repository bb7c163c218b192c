package analyze

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

func base0(t *testing.T) nn.Model {
	t.Helper()
	model, err := pretrained.Load("testdata/base")
	require.NoError(t, err)
	return model
}

func measured(t *testing.T, model nn.Model, opt Options, dirs ...string) *Report {
	t.Helper()
	var adapters []*Adapter
	for _, dir := range dirs {
		a, err := Read(dir, model)
		require.NoError(t, err)
		a.Name = filepath.Base(dir)
		adapters = append(adapters, a)
	}
	opt.Base = model != nil
	r, err := Measure(context.Background(), adapters, opt)
	require.NoError(t, err)
	return r
}

// Every metric is numpy's, by dense decompositions of ΔW in float64 of adapters
// that PEFT made (testdata/record.py); intruders, counts and cosines, are also
// those of PEFT's reduce_intruder_dimension, to which the recording holds them.
func TestAgainstNumpyAndPEFT(t *testing.T) {
	var expected map[string]map[string]map[string]float64
	b, err := os.ReadFile("testdata/expected.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &expected))
	r := measured(t, base0(t), Options{Checkpoints: true}, "testdata/plain", "testdata/patterns")
	alone := measured(t, nil, Options{Checkpoints: true}, "testdata/plain", "testdata/patterns")
	values, without := r.index(), alone.index()
	intruders := 0.0
	for name, modules := range expected {
		require.Len(t, modules, 14)
		for module, metrics := range modules {
			for metric, want := range metrics {
				adapter, other, key := name, "", metric
				if m, ok := strings.CutPrefix(metric, "between "); ok {
					adapter, other, key = "plain", "patterns", m
					if m == "checkpoint_step" {
						adapter, other = "patterns", ""
					}
				}
				got := values.of(adapter, other, module, key)
				// The references lose half of their digits in arccos of small
				// angles and in the smallest directions of W0 (condition 40 and
				// gaps of a few percent); 1e-6 leaves room for both.
				if !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
					t.Errorf("%s of %s, %s is %v: must be %v", metric, name, module, got, want)
				}
				if key == "intruders" {
					intruders += want
					if u := values.of(adapter, "", module, "intruders_undecided"); u != 0 {
						t.Errorf("%s, %s: %v undecided", name, module, u)
					}
				}
				if base := without.of(adapter, other, module, key); !math.IsNaN(base) {
					assert.Equal(t, got, base, "%s with and without the base", key)
				} else if !strings.Contains("relative_norm amplification", key) && !strings.HasPrefix(key, "overlap_top") && !strings.HasPrefix(key, "overlap_bottom") && !strings.HasPrefix(key, "intruder") {
					t.Errorf("%s needs no base", key)
				}
			}
		}
	}
	assert.Greater(t, intruders, 10.0, "intruders in the recording")
}

// What stands in JSON is what the documentation promises.
func TestJSON(t *testing.T) {
	r := measured(t, nil, Options{}, "testdata/plain")
	b, err := json.Marshal(r.Values)
	require.NoError(t, err)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(b, &rows))
	found := map[string]int{}
	for _, row := range rows {
		assert.Equal(t, "plain", row["adapter"])
		assert.True(t, strings.HasPrefix(row["module"].(string), "model.layers."))
		assert.IsType(t, 0.0, row["value"])
		found[row["metric"].(string)]++
	}
	for _, name := range strings.Fields("frobenius_norm spectral_norm nuclear_norm effective_rank stable_rank participation_ratio energy_rank_95 condition_a condition_b balance") {
		assert.Equal(t, 14, found[name], name)
	}
}

// Layers stand in the order of the model, without it by their numbers.
func TestOrder(t *testing.T) {
	r := measured(t, nil, Options{}, "testdata/plain")
	assert.True(t, slices.IsSorted(r.Modules))
	assert.Equal(t, "model.layers.0.self_attn.q_proj", measured(t, base0(t), Options{}, "testdata/plain").Modules[0])
}

func TestErrors(t *testing.T) {
	one, err := Read("testdata/plain", nil)
	require.NoError(t, err)
	other, err := Read("testdata/plain", nil)
	require.NoError(t, err)
	other.Name, other.Maps[3].Linear.Out = "other", 7
	_, err = Measure(context.Background(), []*Adapter{one, other}, Options{})
	assert.ErrorContains(t, err, "is 16×32 in testdata/plain, 7×32 in other: they are not of one base")

	_, err = Read("testdata/nothing", nil)
	assert.ErrorContains(t, err, "testdata/nothing/adapter_config.json")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Measure(ctx, []*Adapter{one}, Options{})
	assert.ErrorIs(t, err, context.Canceled)
}

// An adapter of every method of the table is measured, or tells why not: with
// the base and without it, at once after its start and after its factors moved.
func TestEveryMethod(t *testing.T) {
	for _, method := range lora.Methods() {
		if method.Needs("gradients of the full weights") || method.Needs("activations over calibration batches") || method.Needs("gradients of the outputs over calibration batches") {
			continue
		}
		model := base0(t)
		set, err := lora.Inject(model, method, lora.Options{Targets: lora.Targets{"q_proj", "up_proj"}, Rank: 4, Alpha: 8})
		require.NoError(t, err, method.Name)
		for _, moved := range []bool{false, true} {
			for _, m := range set.Maps {
				for _, f := range m.Factors {
					if moved {
						for i := range f.Floats() {
							f.Floats()[i] += 0.01 * float32(1+i%7)
						}
					}
				}
			}
			r, err := Measure(context.Background(), []*Adapter{Of("a", set)}, Options{Base: true})
			require.NoError(t, err, method.Name)
			values := r.index()
			for _, v := range r.Values {
				assert.False(t, math.IsNaN(float64(v.Value)), "%s: %s", method.Name, v.Metric)
			}
			for _, module := range r.Modules {
				norm := values.of("a", "", module, "frobenius_norm")
				if method.Router != nil {
					assert.True(t, math.IsNaN(norm), method.Name)
					assert.Contains(t, strings.Join(r.reasons(), "\n"), "router", method.Name)
					continue
				}
				assert.False(t, math.IsNaN(norm), method.Name)
				if moved && norm == 0 {
					t.Errorf("%s: its factors moved, and ΔW is 0", method.Name)
				}
				if norm == 0 {
					assert.Equal(t, 0.0, values.of("a", "", module, "effective_rank"), method.Name)
					assert.Equal(t, 0.0, values.of("a", "", module, "intruders"), method.Name)
					assert.True(t, math.IsNaN(values.of("a", "", module, "overlap_top_left")), method.Name)
				}
			}
			require.NoError(t, r.Print(new(bytes.Buffer)), method.Name)
		}
	}
}

// There and back again: a path of twice the step, to where it began.
func TestPath(t *testing.T) {
	var adapters []*Adapter
	for i, dir := range []string{"plain", "patterns", "plain"} {
		a, err := Read("testdata/"+dir, nil)
		require.NoError(t, err)
		a.Name = string(rune('a' + i))
		adapters = append(adapters, a)
	}
	r, err := Measure(context.Background(), adapters, Options{Checkpoints: true})
	require.NoError(t, err)
	x := r.index()
	for _, m := range r.Modules {
		step := x.of("b", "", m, "checkpoint_step")
		for metric, want := range map[string]float64{"path": 2 * step, "displacement": 0, "efficiency": 0, "cosine": -1} {
			// float32 factors of different scalings are stacked: 1e-7 of their norm
			assert.InDelta(t, want, x.of("c", "", m, "checkpoint_"+metric), 1e-5*max(1, step), "%s of %s", metric, m)
		}
		assert.Equal(t, 1.0, x.of("b", "", m, "checkpoint_efficiency"))
	}
}
