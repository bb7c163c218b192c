package bert_test

import (
	"encoding/json"
	"testing"

	"github.com/lowrank/lowrank/nn/bert"
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

func TestRecorded(t *testing.T) { berttest.CheckRecorded(t, build) }

// TestFixture is TestRecorded of a larger model, recorded elsewhere.
func TestFixture(t *testing.T) {
	berttest.CheckFixture(t, "../../../shared/fixtures/models/bert_cls", build)
}
