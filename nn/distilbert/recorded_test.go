package distilbert_test

import (
	"encoding/json"
	"testing"

	"github.com/lowrank/lowrank/nn/distilbert"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
)

func build(t *testing.T, config []byte, weights berttest.File) *distilbert.Model {
	t.Helper()
	var cfg distilbert.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := distilbert.Build(cfg, weights.Source("distilbert."))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRecorded(t *testing.T) { berttest.CheckRecorded(t, build) }

// TestFixture is TestRecorded of a larger model, recorded elsewhere.
func TestFixture(t *testing.T) {
	berttest.CheckFixture(t, "../../../shared/fixtures/models/distilbert_cls", build)
}
