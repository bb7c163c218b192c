package bert_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/nntest"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
)

func build(t *testing.T, config []byte, weights berttest.File) *bert.Model {
	t.Helper()
	var cfg bert.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := bert.Build(cfg, weights.Source("bert."))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRecorded(t *testing.T) {
	weights := berttest.Open(t, "testdata/weights.safetensors")
	for _, name := range []string{"classification", "masked_lm", "masked_lm_untied", "model", "multi_label", "regression"} {
		t.Run(name, func(t *testing.T) {
			f := berttest.Open(t, "testdata/"+name+".safetensors")
			config := f.Case(t).Config
			nntest.AtEachLevel(t, func(t *testing.T) { berttest.Check(t, f, f, build(t, config, weights)) })
		})
	}
}

// TestFixture is TestRecorded of a larger model, recorded elsewhere.
func TestFixture(t *testing.T) {
	dir := "../../../shared/fixtures/models/bert_cls"
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Skip("shared/fixtures is not here: the models in testdata are checked alone")
	}
	weights, inputs, outputs := berttest.Open(t, dir+"/model.safetensors"), berttest.Open(t, dir+"/inputs.safetensors"), berttest.Open(t, dir+"/base_outputs.safetensors")
	nntest.AtEachLevel(t, func(t *testing.T) { berttest.Check(t, inputs, outputs, build(t, config, weights)) })
}
