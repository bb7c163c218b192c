package roberta_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/lowrank/lowrank/nn/bert/berttest"
	"github.com/lowrank/lowrank/nn/pretrained"
	"github.com/lowrank/lowrank/nn/roberta"
)

func open(t *testing.T, path string) *berttest.File {
	t.Helper()
	s, err := pretrained.ReadSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	return &berttest.File{
		Names: s.Names(), Metadata: s.Metadata, Shape: s.Shape, Ints: s.Ints,
		Floats: func(name string) ([]float32, error) {
			x, err := s.Tensor(name)
			return x.Data, err
		},
	}
}

func build(t *testing.T, config []byte, weights *berttest.File) *roberta.Model {
	t.Helper()
	var cfg roberta.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := roberta.Build(cfg, weights.Source("roberta."))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func check(t *testing.T, inputs, outputs *berttest.File, m *roberta.Model) {
	t.Helper()
	berttest.Check(t, inputs, outputs, m)
}

func TestRecorded(t *testing.T) {
	weights := open(t, "testdata/weights.safetensors")
	for _, name := range []string{"classification", "masked_lm", "masked_lm_untied", "model", "multi_label", "regression"} {
		t.Run(name, func(t *testing.T) {
			f := open(t, "testdata/"+name+".safetensors")
			config := f.Case(t).Config
			berttest.AtEachLevel(t, func(t *testing.T) { check(t, f, f, build(t, config, weights)) })
		})
	}
}

// TestFixture is TestRecorded of a larger model, recorded elsewhere.
func TestFixture(t *testing.T) {
	dir := "../../../shared/fixtures/models/roberta_cls"
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Skip("shared/fixtures is not here: the models in testdata are checked alone")
	}
	weights, inputs, outputs := open(t, dir+"/model.safetensors"), open(t, dir+"/inputs.safetensors"), open(t, dir+"/base_outputs.safetensors")
	berttest.AtEachLevel(t, func(t *testing.T) { check(t, inputs, outputs, build(t, config, weights)) })
}
